"""A database for most tests: with keys, the user ada and four clients."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from authserver.domain.models import Client, Secret, User
from authserver.provisioning import initialise, open_database
from authserver.settings import Settings
from authserver.store import clients, users
from authserver.store.database import Database
from tests.harness.constants import AUDIENCE, ISSUER, SECRET


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Create settings directly, without reading the environment or the working folder."""
    place: dict[str, Any] = {
        "issuer": ISSUER,
        "database_url": f"sqlite:///{folder}/as.db",
        "keys_dir": folder / "keys",
    }
    return Settings(**place | changes)


def populated(settings: Settings, now: Callable[[], int], password_hash: str, **changes: Any) -> Database:
    """Fill and return the open database; `changes` apply to every client."""
    database = open_database(settings, now)
    initialise(settings, database, now)
    with database.begin() as connection:
        users.add(connection, User("u_ada", "ada", password_hash, created_at=now()))
        for client in CLIENTS:
            clients.add(connection, replace(client, created_at=now(), **changes))
    return database


def as_client(client_id: str) -> dict[str, str]:
    """Return the form fields by which that client authenticates."""
    confidential = any(client.id == client_id and client.secrets for client in CLIENTS)
    return {"client_id": client_id} if not confidential else {"client_id": client_id, "client_secret": SECRET}


_SECRETS = (Secret(sha256(SECRET.encode()).digest()),)
_LOGIN = frozenset({"password", "refresh_token"})
CLIENTS = (
    Client("app", "App", "none", _LOGIN, ("read", "write"), (AUDIENCE, "https://other.example")),
    Client(
        "web",
        "Web",
        "client_secret_post",
        _LOGIN | {"client_credentials"},
        ("read", "write"),
        (AUDIENCE,),
        secrets=_SECRETS,
    ),
    Client("other", "Other", "none", _LOGIN, ("read",), (AUDIENCE,)),
    Client(
        "machine",
        "Machine",
        "client_secret_basic",
        frozenset({"client_credentials"}),
        ("read",),
        (AUDIENCE,),
        secrets=_SECRETS,
    ),
)
"""app and other are public; web posts its secret; machine uses Basic and may use client_credentials alone."""

"""Fills the database of a server that is measured: clients, users who have signed in and consented, and authorizations.

The rows are written directly, because a million logins would take a day.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from authserver import system
from authserver.clock import Clock
from authserver.domain import refresh_token
from authserver.domain.models import SECOND, Client, Secret, User
from authserver.passwords import PasswordHasher
from authserver.provisioning import initialise, open_database, open_keyring
from authserver.settings import Settings
from authserver.store import clients, users
from authserver.store.schema import authorizations, consents, sessions

API, BACK = "https://api.example", "https://app.example/callback"
SECRET, PASSWORD = "s" * 43, "correct horse battery staple"
SCOPE = ("openid", "offline_access")
_ROWS_AT_ONCE, _OF_ONE_USER = 10_000, 10
_CLIENTS = (
    Client(
        "machine",
        "Machine",
        "client_secret_basic",
        frozenset({"client_credentials"}),
        ("read",),
        (API,),
        secrets=(Secret(sha256(SECRET.encode()).digest()),),
    ),
    Client("app", "App", "none", frozenset({"password", "refresh_token"}), ("read", "write"), (API,)),
    Client("site", "Site", "none", frozenset({"authorization_code", "refresh_token"}), SCOPE, (API,), (BACK,)),
)


def settings_in(folder: Path, issuer: str, **more: Any) -> Settings:
    places: dict[str, Any] = {"database_url": f"sqlite:///{folder}/authserver.db", "keys_dir": folder / "keys"}
    return Settings(issuer=issuer, **places | {"log_level": "warning"} | more)


def username(number: int) -> str:
    return f"user{number}"


def cookie(number: int) -> str:
    """Return the secret of the session cookie of that user."""
    return f"{number:043}"


def prepare(settings: Settings, connections: int, algorithm: str = "RS256") -> None:
    """Create a database with clients whose tokens are signed with this algorithm, and with a user for each connection,
    who has signed in and consented."""
    database, now = open_database(settings), system.now()
    initialise(settings, database, system.now, algs=() if algorithm == "RS256" else (algorithm,))
    hasher = PasswordHasher()
    password_hash = hasher.hash(PASSWORD)
    hasher.close()
    everyone = [User(f"u_{number}", username(number), password_hash, created_at=now) for number in range(connections)]
    with database.begin() as connection:
        users.add_many(connection, everyone)
        for client in _CLIENTS:
            clients.add(connection, replace(client, access_token_alg=algorithm))
        connection.execute(insert(sessions), [_session(number, user, now) for number, user in enumerate(everyone)])
        connection.execute(insert(consents), [_consent(user, now) for user in everyone])
    database.close()


def _session(number: int, user: User, now: int) -> dict[str, Any]:
    times = dict.fromkeys(("created_at", "authenticated_at", "seen_at"), now)
    ends = dict.fromkeys(("idle_expires_at", "expires_at"), now + 86400 * SECOND)
    secret_hash = sha256(cookie(number).encode()).digest()
    ids = {"id": secret_hash[:16], "secret_hash": secret_hash, "user_id": user.id, "credential_version": 0}
    return ids | times | ends | {"amr": "pwd", "kept": False, "network": "127.0.0.0/24"}


def _consent(user: User, now: int) -> dict[str, Any]:
    agreed = {"scope": " ".join(SCOPE), "claims": "", "resources": ""}
    return {"user_id": user.id, "client_id": "site", "granted_at": now} | agreed


def authorize_many(settings: Settings, many: int) -> list[str]:
    """Add `many` authorizations of the client `app`, ten for each user, and the users. Returns the refresh tokens."""
    database, clock = open_database(settings), Clock()
    keyring = open_keyring(settings, database, clock)
    key_id = keyring.newest_refresh_key_id(clock())
    key, tokens = keyring.refresh_key(key_id), list[str]()
    for first in range(0, many, _ROWS_AT_ONCE):
        numbers = range(first, min(first + _ROWS_AT_ONCE, many))
        with database.begin() as connection:
            rows = _authorizations(connection, numbers, key_id, clock())
        tokens += (refresh_token.render(row["id"], 0, key=key, salt=row["salt"]) for row in rows)
    database.close()
    return tokens


def _authorizations(connection: Connection, numbers: Sequence[int], key_id: str, now: int) -> list[dict[str, Any]]:
    owners = range(numbers[0], numbers[-1] + 1, _OF_ONE_USER)
    users.add_many(connection, [User(_owner(number), _owner(number), "", created_at=now) for number in owners])
    rows = [_authorization(number, key_id, now) for number in numbers]
    connection.execute(insert(authorizations), rows)
    return rows


def _owner(number: int) -> str:
    return f"owner{number - number % _OF_ONE_USER}"


def _authorization(number: int, key_id: str, now: int) -> dict[str, Any]:
    """Return an authorization that has just begun. Its id looks random, as real ones do: ids decide which pages are
    read."""
    id = sha256(f"authorization {number}".encode()).digest()
    owner = {"id": id[:16], "client_id": "app", "subject": _owner(number), "refresh_key_id": key_id, "salt": id[::-1]}
    times = dict.fromkeys(("created_at", "authenticated_at", "rotated_at"), now)
    ends = dict.fromkeys(("idle_expires_at", "expires_at"), now + 86400 * SECOND)
    counters = {"credential_version": 0, "generation": 0, "rotated_from": "127.0.0.0/24"}
    granted = {"scope": "read write", "resources": API, "amr": "pwd", "ends_with_session": False}
    return owner | times | ends | counters | granted

"""What the tests of `backup` and `restore` share, beside the fixtures of these names."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.harness.constants import SECOND
from tests.harness.sign_in_rows import session

PASSPHRASE = "a passphrase of five words"
LINE = f"{PASSPHRASE}\n"


def sql(file: Path | str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """One statement on a database file, beside SQLAlchemy; its rows."""
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def add_login(file: Path | str, id: int, user: str, **others: object) -> None:
    """An active login of the built-in client, at generation 3 unless `others` say so."""
    [(refresh_key,)] = sql(file, "SELECT id FROM refresh_keys WHERE revoked_at IS NULL LIMIT 1")
    far = 2**52
    row = {
        "id": id.to_bytes(16),
        "client_id": "first-party",
        "subject": user,
        "scope": "api",
        "resources": "",
        "created_at": 1,
        "authenticated_at": 1,
        "credential_version": 0,
        "generation": 3,
        "rotated_at": 1,
        "rotated_from": "",
        "idle_expires_at": far,
        "expires_at": far,
        "refresh_key_id": refresh_key,
        "salt": bytes(32),
    } | others
    places = ", ".join("?" * len(row))
    sql(file, f"INSERT INTO authorizations ({', '.join(row)}) VALUES ({places})", *row.values())


def add_session(file: Path | str, id: int, user: str, **others: object) -> None:
    """A session that began long ago and lasts, unless `others` say otherwise."""
    began, far = 1_800_000_000 * SECOND, 2**52
    ends = {"idle_expires_at": far, "expires_at": far}
    row = asdict(session(id, began)) | ends | {"user_id": user, "amr": "pwd"} | others
    sql(file, f"INSERT INTO sessions ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())


def lose_everything() -> None:
    """Of the working folder, the backups excepted."""
    for file in Path().glob("authserver.db*"):
        file.unlink()
    shutil.rmtree("keys")

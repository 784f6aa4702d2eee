"""Users. Never cached: a disabled user is refused at once."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..domain.models import User
from .schema import users as table

_BY_NAMES = select(table).where(table.c.username.in_(bindparam("names", expanding=True)))


def load_many(connection: Connection, usernames: Sequence[str]) -> Mapping[str, User]:
    return {row.username: User(*row) for row in connection.execute(_BY_NAMES, {"names": list(usernames)})}


def load(connection: Connection, username: str) -> User | None:
    return load_many(connection, [username]).get(username)


def load_all(connection: Connection) -> list[User]:
    return [User(*row) for row in connection.execute(select(table).order_by(table.c.created_at, table.c.id))]


def add(connection: Connection, user: User) -> bool:
    """False if the username is taken."""
    try:
        with connection.begin_nested():
            connection.execute(insert(table), asdict(user))
    except IntegrityError:
        return False
    return True


def set_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Raises the credential version too: every login with the old password is dead at its next refresh."""
    changed = {"password_hash": password_hash, "credential_version": table.c.credential_version + 1}
    return connection.execute(update(table).where(table.c.username == username).values(changed)).rowcount == 1


def set_disabled(connection: Connection, username: str, disabled: bool) -> bool:
    return connection.execute(update(table).where(table.c.username == username).values(disabled=disabled)).rowcount == 1

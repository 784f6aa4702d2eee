"""Stores users. They are never cached, so a disabled user is refused at once.

To end all that a user has begun, end the rows first (`authorizations.end_of_user`, then `session_ends.end_of_user`,
which has clients told), then raise the credential version here: requests write in the same order. The version also ends
an authorization that begins in the meantime, whose row does not exist yet.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..domain.models import User
from . import user_claims
from .schema import user_claims as claims_table
from .schema import users as table

_COLUMNS = tuple(field.name for field in fields(User) if field.name in table.c)
_NEXT_VERSION: Mapping[str, Any] = {"credential_version": table.c.credential_version + 1}
_NAMED = table.c.username.in_(bindparam("names", expanding=True))
_BY_NAMES = select(table).where(_NAMED)
_WITH_CLAIMS = select(table, claims_table.c.claims).join(claims_table, isouter=True)
_NAMED_WITH_CLAIMS = _WITH_CLAIMS.where(_NAMED)
_BY_EMAIL = _WITH_CLAIMS.add_columns(claims_table.c.email).where(
    claims_table.c.email.in_(bindparam("addresses", expanding=True))
)
_FIRST = _WITH_CLAIMS.order_by(table.c.id).limit(1000)
_NEXT = _FIRST.where(table.c.id > bindparam("after"))
_WRITE_REHASHED = (
    update(table)
    .where(table.c.id == bindparam("user"), table.c.credential_version == bindparam("verified"))
    .values(password_hash=bindparam("hash"))
)
_IS_BLOCKED = and_(table.c.disabled, table.c.delete_at.is_(None))  # as User.is_blocked
_OF_VERSION = (table.c.id == bindparam("user"), table.c.credential_version == bindparam("seen"), ~_IS_BLOCKED)
_REPLACE_PASSWORD = update(table).where(*_OF_VERSION).values(password_hash=bindparam("hash"), **_NEXT_VERSION)
_LOCK = select(table.c.id).where(*_OF_VERSION).with_for_update(key_share=True)
_IDS = select(table.c.id).where(table.c.id.in_(bindparam("ids", expanding=True)))


class Rehashed(NamedTuple):
    """A password that was right, hashed with the current parameters."""

    user_id: str
    verified: int
    """The credential version whose password was right."""
    password_hash: str | None
    """None if it need not be written."""


def of_row(values: Sequence[Any], claims: Mapping[str, Any] | None = None) -> User:
    """Return the user of these columns, as the driver returns them."""
    id, username, password_hash, credential_version, disabled, created_at, delete_at = values
    return User(id, username, password_hash, credential_version, bool(disabled), created_at, delete_at, claims)


def load_many(connection: Connection, usernames: Sequence[str]) -> Mapping[str, User]:
    return {row.username: User(*row) for row in connection.execute(_BY_NAMES, {"names": list(usernames)})}


def load_with_claims_many(connection: Connection, usernames: Sequence[str]) -> Mapping[str, User]:
    rows = connection.execute(_NAMED_WITH_CLAIMS, {"names": list(usernames)})
    return {row.username: _with_claims(row) for row in rows}


def claims_of(column: str | None) -> dict[str, Any]:
    """Return the claims in a row of `user_claims`; none if there is no row."""
    claims: dict[str, Any] = json.loads(column) if column is not None else {}
    return claims


def load(connection: Connection, username: str) -> User | None:
    return load_many(connection, [username]).get(username)


def load_with_claims(connection: Connection, username: str) -> User | None:
    return load_with_claims_many(connection, [username]).get(username)


def load_by_email_many(connection: Connection, addresses: Sequence[str]) -> Mapping[str, User]:
    """Return the user who has each verified address, in its canonical form, with their claims."""
    rows = connection.execute(_BY_EMAIL, {"addresses": list(addresses)})
    return {row.email: User(*(*row[:-2], claims_of(row.claims))) for row in rows}


def load_all(connection: Connection) -> list[User]:
    return [User(*row) for row in connection.execute(select(table).order_by(table.c.created_at, table.c.id))]


def add(connection: Connection, user: User) -> bool:
    """Add a user. Returns False if the username is in use. Raises EmailInUse."""
    try:
        with connection.begin_nested():
            add_many(connection, [user])
    except IntegrityError:
        return False
    return True


def add_many(connection: Connection, users: Sequence[User]) -> None:
    """Add users whose ids and names are not in use. Raises EmailInUse."""
    connection.execute(insert(table), [_row(user) for user in users])
    user_claims.add_many(connection, {user.id: user.claims for user in users if user.claims})


def ids_in_use(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that users have."""
    return set(connection.execute(_IDS, {"ids": list(ids)}).scalars())


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def iterate(connection: Connection) -> Iterator[User]:
    """Yield all users with their claims, in the order of their ids. They are read in batches."""
    rows = connection.execute(_FIRST).all()
    while rows:
        yield from map(_with_claims, rows)
        rows = connection.execute(_NEXT, {"after": rows[-1].id}).all()


def set_password(connection: Connection, username: str, password_hash: str) -> bool:
    """Set a new password hash, and raise the credential version: authorizations with the old password end at
    their next refresh. Returns False if there is no such user."""
    return _set(connection, username, password_hash=password_hash, **_NEXT_VERSION)


def replace_password(connection: Connection, id: str, password_hash: str, *, seen: int) -> bool:
    """Do as `set_password` if the user still has the credential version `seen` and is not blocked (see `User`).
    Otherwise, returns False."""
    row = {"user": id, "seen": seen, "hash": password_hash}
    return connection.execute(_REPLACE_PASSWORD, row).rowcount == 1


def lock(connection: Connection, id: str, *, seen: int) -> bool:
    """Return whether the user still has the credential version `seen` and is not blocked; if so, that stays until the
    transaction ends."""
    return connection.execute(_LOCK, {"user": id, "seen": seen}).first() is not None


def write_rehashed(connection: Connection, rehashed: Iterable[Rehashed]) -> None:
    """Write the new hashes of passwords that have not changed since they were verified."""
    rows = [{"user": id, "verified": verified, "hash": hash} for id, verified, hash in rehashed if hash]
    if rows:
        connection.execute(_WRITE_REHASHED, rows)


def set_disabled(connection: Connection, username: str, disabled: bool) -> bool:
    """Disable or enable a user. Disabling also raises the credential version, so that enabling revives no
    authorization. Either withdraws the user's own wish to be deleted. Returns False if there is no such user."""
    return _set(connection, username, disabled=disabled, delete_at=None, **(_NEXT_VERSION if disabled else {}))


def raise_credential_version(connection: Connection, username: str) -> bool:
    """End every existing authorization at its next refresh. Returns False if there is no such user."""
    return _set(connection, username, **_NEXT_VERSION)


def remove(connection: Connection, username: str) -> bool:
    """Delete the user and its authorizations. Returns False if there is no such user."""
    return connection.execute(delete(table).where(table.c.username == username)).rowcount == 1


def _row(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in _COLUMNS}


def _with_claims(row: Any) -> User:
    return User(*(*row[:-1], claims_of(row.claims)))


def _set(connection: Connection, username: str, **values: Any) -> bool:
    return connection.execute(update(table).where(table.c.username == username).values(values)).rowcount == 1

"""Stores the links that are sent to people, without their secrets. A newer one of a kind replaces the older ones that
were handed over in the same way: by mail, which anybody can ask for, or by an operator. The unique column `slot`
ensures that, even if two nodes make a link at the same moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, func, or_, select, update

from ..domain.models import Link, LinkKind, User
from . import upsert
from .changes import Change
from .rows import row_of
from .schema import links as table
from .schema import user_claims, users
from .users import claims_of

_WIDTH, _USER_WIDTH = len(table.c), len(users.c)
_named, _mailed = users.alias(), user_claims.alias()
_IS_TAKEN = or_(
    exists().where(_named.c.username == table.c.address, _named.c.id != func.coalesce(table.c.user_id, "")),
    exists().where(_mailed.c.email == table.c.address, _mailed.c.user_id != func.coalesce(table.c.user_id, "")),
)
_BY_IDS = (
    select(table, users, user_claims.c.claims, _IS_TAKEN.label("is_taken"))
    .join(users, users.c.id == table.c.user_id, isouter=True)
    .join(user_claims, user_claims.c.user_id == table.c.user_id, isouter=True)
    .where(table.c.id.in_(bindparam("ids", expanding=True)))
)
_USE = (
    update(table)
    .where(table.c.id == bindparam("key"), table.c.used_at.is_(None), table.c.expires_at > bindparam("at"))
    .values(used_at=bindparam("at"), slot=None)
)


def _put_into_slot(connection: Connection) -> Any:
    """Return a statement that adds a link in place of the unused one like it, if there is one, unless that one was
    asked for later and still works."""
    new = upsert.insert(connection, table)
    return new.on_conflict_do_update(
        index_elements=[table.c.slot],
        set_={column.name: new.excluded[column.name] for column in table.c},
        where=or_(table.c.message_id <= new.excluded.message_id, table.c.expires_at <= new.excluded.created_at),
    )


@dataclass(frozen=True, slots=True)
class LinkRecord:
    """A link, and the user whom it is for, with their claims; None if it is for somebody without an account."""

    link: Link
    user: User | None
    is_taken: bool = False
    """Whether another user has the address as a name, or verified: then it cannot become somebody's."""


def load_many(connection: Connection, ids: Sequence[bytes]) -> Mapping[bytes, LinkRecord]:
    return {row[0]: _record(row) for row in connection.execute(_BY_IDS, {"ids": list(ids)})}


def put(connection: Connection, link: Link) -> bool:
    """Add the link in place of the older ones like it, and of itself if it is sent again. If one like it was asked for
    later, the link is not added. Returns False if it was used: a used link must not work again.

    So which of two links works tells nothing about how long it took to make their emails, which depends on whether
    somebody has an account."""
    used = select(table.c.id).where(table.c.id == link.id, table.c.used_at.is_not(None))
    if connection.execute(used).first():
        return False
    connection.execute(delete(table).where(table.c.id == link.id))
    connection.execute(_put_into_slot(connection), row_of(link, table, slot=_slot(link)))
    return True


def make(link: Link) -> Change:
    """Do as `put`; the guard fails if the link was used."""
    return Change(_put_many, "links", _slot(link).encode(), link)


def use(connection: Connection, id: bytes, now: int) -> bool:
    """Use up the link. Returns False if it was used, replaced or has expired."""
    return connection.execute(_USE, {"key": id, "at": now}).rowcount == 1


def _put_many(connection: Connection, links: Sequence[Link], _now: int) -> list[bool]:
    return [put(connection, link) for link in links]


def _slot(link: Link) -> str:
    """Return what at most one unused link has: its kind, how it is handed over, and the person."""
    return f"{link.kind} {'mailed' if link.address else 'handed over'} {link.user_id or link.address}"


def _record(row: Any) -> LinkRecord:
    values = dict(zip(table.c.keys(), row[:_WIDTH], strict=True))
    del values["slot"]
    link = Link(**values | {"kind": LinkKind(values["kind"])})
    if link.user_id is None:
        return LinkRecord(link, None, bool(row.is_taken))
    user = User(*(*row[_WIDTH : _WIDTH + _USER_WIDTH], claims_of(row.claims)))
    return LinkRecord(link, user, bool(row.is_taken))

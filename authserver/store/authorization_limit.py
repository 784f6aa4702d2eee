"""The limit of active authorizations of one user at one client: which ones end when a new one exceeds it."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Integer, LargeBinary, String, and_, column, func, or_, select, values

from .schema import authorizations as table

_COLUMNS = (
    column("subject", String),
    column("client_id", String),
    column("newest", LargeBinary),
    column("limit", Integer),
)
_UNREVOKED = table.c.revoked_at.is_(None)


class Owner(NamedTuple):
    """A user at a client."""

    subject: str
    client_id: str
    newest: bytes
    """The id of the new authorization. It stays active, even if it would end before the others."""
    limit: int
    """The maximum number of active authorizations, including the new one."""


def beyond_limit(connection: Connection, owners: Sequence[Owner], now: int) -> list[tuple[bytes, tuple[str, str]]]:
    """Return the ids of the authorizations that were idle longest, beyond each owner's limit, and the owner of each:
    (subject, client id). One statement serves all owners.

    The rows are locked out of LOCK_ORDER: a row that another transaction has locked is left to its owner's next login.
    """
    owner = values(*_COLUMNS, name="owner").data(owners).cte("owner")
    is_newest = table.c.id == owner.c.newest
    place = func.row_number().over(
        partition_by=(table.c.subject, table.c.client_id),
        order_by=(is_newest.desc(), table.c.idle_expires_at.desc(), table.c.id),
    )
    ranked = (
        select(table.c.id, place.label("place"), owner.c.limit)
        .join(owner, and_(table.c.subject == owner.c.subject, table.c.client_id == owner.c.client_id))
        .where(_UNREVOKED, or_(is_newest, table.c.idle_expires_at > now))
        .subquery()
    )
    beyond = select(ranked.c.id).where(ranked.c.place > ranked.c.limit)
    idlest = select(table.c.id, table.c.subject, table.c.client_id).where(table.c.id.in_(beyond), _UNREVOKED)
    rows = connection.execute(idlest.with_for_update(skip_locked=True))
    return [(id, (subject, client_id)) for id, subject, client_id in rows]

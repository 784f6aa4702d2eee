"""The limit of active authorizations of one user at one client: which ones end when a new one exceeds it."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    or_,
    select,
)

from .schema import authorizations as table

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
    asked = json.dumps([(subject, client_id, newest.hex(), limit) for subject, client_id, newest, limit in owners])
    rows = connection.execute(_BEYOND_LIMIT[connection.dialect.name], {"owners": asked, "now": now})
    return [(id, (subject, client_id)) for id, subject, client_id in rows]


class _Columns(NamedTuple):
    """An owner in a statement."""

    subject: ColumnElement[str]
    client_id: ColumnElement[str]
    newest: ColumnElement[str]
    limit: ColumnElement[int]


def _beyond_limit(owners: _Columns, id: ColumnElement[str], is_in: "_IsIn") -> Select[Any]:
    """Return the statement; `id` is the authorization's, in the form of `owners.newest`.

    Without statistics, PostgreSQL assumes that every table is tiny, and would count and rank again for each row of an
    owner. The CTE and the array are evaluated once, whatever it assumes.
    """
    owner = _may_be_beyond(owners).c
    is_newest = id == owner.newest
    place = func.row_number().over(
        partition_by=(table.c.subject, table.c.client_id),
        order_by=(is_newest.desc(), table.c.idle_expires_at.desc(), table.c.id),
    )
    ranked = (
        select(table.c.id, place.label("place"), owner.limit.label("limit"))
        .join_from(
            table, owner.limit.table, and_(table.c.subject == owner.subject, table.c.client_id == owner.client_id)
        )
        .where(_UNREVOKED, or_(is_newest, table.c.idle_expires_at > bindparam("now")))
        .subquery()
    )
    beyond = select(ranked.c.id).where(ranked.c.place > ranked.c.limit)
    idlest = select(table.c.id, table.c.subject, table.c.client_id).where(is_in(table.c.id, beyond), _UNREVOKED)
    return idlest.with_for_update(skip_locked=True)


def _may_be_beyond(owner: _Columns) -> FromClause:
    """Return the owners that have more rows than the limit, from an index that has no others: ranking a hundred takes
    as long as the rest of a login."""
    rows = table.alias("rows")
    its_own = (rows.c.subject == owner.subject, rows.c.client_id == owner.client_id, rows.c.revoked_at.is_(None))
    has_more = select(func.count()).select_from(rows).where(*its_own).scalar_subquery() > owner.limit
    columns = (column.label(name) for name, column in owner._asdict().items())
    return select(*columns).where(has_more).cte("owner").prefix_with("MATERIALIZED", dialect="postgresql")


def _on_sqlite() -> Select[Any]:
    owners = func.json_each(_OWNERS).table_valued("value", name="owner")
    columns: Any = (func.json_extract(owners.c.value, f"$[{place}]") for place in range(4))
    return _beyond_limit(_Columns(*columns), func.lower(func.hex(table.c.id)), ColumnElement.in_)


def _on_postgresql() -> Select[Any]:
    owners = func.json_array_elements(cast(_OWNERS, JSON)).table_valued("value", name="owner").render_derived()
    subject, client_id, newest, limit = (owners.c.value.op("->>")(place) for place in range(4))
    return _beyond_limit(
        _Columns(subject, client_id, newest, cast(limit, Integer)), func.encode(table.c.id, "hex"), _is_in_array
    )


def _is_in_array(column: ColumnElement[Any], rows: Select[Any]) -> ColumnElement[bool]:
    return column == any_(func.array(rows.scalar_subquery()))


_IsIn = Callable[[ColumnElement[Any], Select[Any]], ColumnElement[bool]]
_OWNERS: Any = bindparam("owners", type_=Text)
"""A JSON array of Owner. If these were values in the statement, each group would compile another statement."""
_BEYOND_LIMIT = {"sqlite": _on_sqlite(), "postgresql": _on_postgresql()}

"""Stores the audit trail. Rows are added, read and pruned, and never changed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Dialect, Row, String, and_, or_, select, tuple_

from ..domain.audit import MAY_END, AuditRecord
from ..domain.models import Authorization
from ..domain.times import utc_precise
from .changes import Change
from .schema import events as table

_BATCH = 1000
_COLUMNS = [column.name for column in table.c if column is not table.c.id]
_LENGTHS = {column.name: column.type.length or 0 for column in table.c if isinstance(column.type, String)}


@dataclass(frozen=True, slots=True)
class StoredEvent:
    id: int
    at: int
    """Microseconds since the epoch."""
    record: AuditRecord


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to read; None for no condition. Times are in microseconds."""

    since: int | None = None
    until: int | None = None
    """The first time that is not included."""
    subjects: Sequence[str] | None = None
    client_id: str | None = None
    authorization_id: bytes | None = None
    event: str | None = None
    network: str | None = None
    actor: str | None = None
    events: Sequence[str] | None = None
    """Names, of which the event has one."""


def add(connection: Connection, at: int, records: Iterable[AuditRecord]) -> None:
    """Add the records, in the caller's transaction. `at` is in microseconds. Texts that are too long are cut."""
    if rows := [_values(record, at) for record in records]:
        # By the driver, which takes a third of the time that a statement of SQLAlchemy does.
        connection.exec_driver_sql(_insert(connection.dialect), rows)


@cache
def _insert(dialect: Dialect) -> str:
    """The statement with the driver's own placeholders, each for one of _COLUMNS."""
    place = "?" if dialect.paramstyle == "qmark" else "%s"
    return f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES ({', '.join([place] * len(_COLUMNS))})"  # noqa: S608


def only(*records: AuditRecord) -> Change:
    """A change that writes nothing but these records."""
    return Change(_nothing, "events", 0, None, lambda: records)


def newest(connection: Connection, filter: Filter, limit: int) -> list[StoredEvent]:
    """Return at most `limit` events, the newest first."""
    statement = select(table).where(*_conditions(filter)).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
    return [stored(row) for row in connection.execute(statement)]


def load(connection: Connection, id: int) -> StoredEvent | None:
    row = connection.execute(select(table).where(table.c.id == id)).first()
    return stored(row) if row else None


def each(connection: Connection, filter: Filter) -> Iterator[StoredEvent]:
    """Yield the events from the oldest to the newest. They are read in batches, so that any number needs little
    memory and no long statement."""
    statement = select(table).where(*_conditions(filter)).order_by(table.c.at, table.c.id).limit(_BATCH)
    rows = connection.execute(statement).all()
    while rows:
        yield from map(stored, rows)
        after = tuple_(table.c.at, table.c.id) > (rows[-1].at, rows[-1].id)
        rows = connection.execute(statement.where(after)).all()


def subjects_named(connection: Connection, username: str) -> list[str]:
    """Return the ids of users who had that name when something happened, though they may have been deleted. This may
    read all events."""
    subject = table.c.subject
    named = select(subject).where(table.c.username == username, subject.is_not(None)).distinct()
    return list(connection.execute(named).scalars())


def story(connection: Connection, authorization_id: bytes, authorization: Authorization | None) -> list[StoredEvent]:
    """Return the newest events of an authorization, oldest first. If its row still exists, they include those that may
    have ended it without naming it: of its user, its client and of everybody."""
    its_own = table.c.authorization_id == authorization_id
    where = its_own if authorization is None else or_(its_own, _may_concern(authorization))
    newest_first = select(table).where(where).order_by(table.c.at.desc(), table.c.id.desc()).limit(_BATCH)
    return [stored(row) for row in connection.execute(newest_first)][::-1]


def end_of_session(connection: Connection, id: bytes) -> StoredEvent | None:
    """Return the event that tells of the session's end, whose row may have been deleted. This may read all events."""
    ended = table.c.event == "session_ended", table.c.detail.contains(f"sid {id.hex()}")
    row = connection.execute(select(table).where(*ended).order_by(table.c.id.desc()).limit(1)).first()
    return stored(row) if row else None


def _conditions(filter: Filter) -> list[ColumnElement[bool]]:
    equal = ("client_id", "authorization_id", "event", "network", "actor")
    values = ((table.c[name], getattr(filter, name)) for name in equal)
    conditions: list[ColumnElement[bool]] = [column == value for column, value in values if value is not None]
    if filter.since is not None:
        conditions.append(table.c.at >= filter.since)
    if filter.until is not None:
        conditions.append(table.c.at < filter.until)
    if filter.events is not None:
        conditions.append(table.c.event.in_(filter.events))
    return conditions if filter.subjects is None else [*conditions, table.c.subject.in_(filter.subjects)]


def _may_concern(authorization: Authorization) -> ColumnElement[bool]:
    ended = authorization.revoked_at
    its_user = or_(table.c.subject.is_(None), table.c.subject == authorization.subject)
    its_client = or_(table.c.client_id.is_(None), table.c.client_id == authorization.client_id)
    before_its_end = () if ended is None else (table.c.at <= ended,)
    since = table.c.at >= authorization.created_at
    return and_(table.c.event.in_(sorted(MAY_END)), since, its_user, its_client, *before_its_end)


def described(event: StoredEvent) -> dict[str, Any]:
    """Return the event as plain values, without its id."""
    record = event.record
    return {
        "at": utc_precise(event.at),
        "event": record.event,
        "actor": record.actor,
        "user": record.user or None,
        "subject": record.subject or None,
        "client_id": record.client_id or None,
        "authorization_id": record.authorization_id or None,
        "network": record.network or None,
        "result": record.result,
        "detail": record.detail or None,
    }


def _nothing(_connection: Connection, changes: Sequence[Any], _now: int) -> list[bool]:
    return [True] * len(changes)


def _values(record: AuditRecord, at: int) -> tuple[Any, ...]:
    """Return the row, in the order of _COLUMNS."""
    return (
        at,
        record.event,
        _clipped("actor", record.actor),
        record.result,
        _clipped("username", record.user),
        _clipped("subject", record.subject),
        _clipped("client_id", record.client_id),
        bytes.fromhex(record.authorization_id) or None,
        _clipped("network", record.network),
        _clipped("detail", record.detail),
    )


def _clipped(name: str, text: str) -> str | None:
    """Return the text as its column can hold it: PostgreSQL takes no NUL, either."""
    return text[: _LENGTHS[name]].replace("\0", "") or None


def stored(row: Row[Any]) -> StoredEvent:
    """Return the event in a row of the table."""
    record = AuditRecord(
        row.event,
        row.actor,
        row.result,
        row.username or "",
        row.subject or "",
        row.client_id or "",
        (row.authorization_id or b"").hex(),
        row.network or "",
        row.detail or "",
    )
    return StoredEvent(row.id, row.at, record)

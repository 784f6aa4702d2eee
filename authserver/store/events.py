"""Stores the audit trail. Rows are added, read and pruned, and never changed."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, String, insert

from ..domain.audit import AuditRecord
from .changes import Change
from .schema import events as table

_ADD = insert(table)
_LENGTHS = {column.name: column.type.length or 0 for column in table.c if isinstance(column.type, String)}


def add(connection: Connection, at: int, records: Iterable[AuditRecord]) -> None:
    """Add the records, in the caller's transaction. `at` is in microseconds. Texts that are too long are cut."""
    rows = [_values(record, at) for record in records]
    if rows:
        connection.execute(_ADD, rows)


def only(*records: AuditRecord) -> Change:
    """A change that writes nothing but these records."""
    return Change(_nothing, "events", 0, None, lambda: records)


def _nothing(_connection: Connection, changes: Sequence[Any], _now: int) -> list[bool]:
    return [True] * len(changes)


def _values(record: AuditRecord, at: int) -> dict[str, Any]:
    return {
        "at": at,
        "event": record.event,
        "actor": _clipped("actor", record.actor),
        "result": record.result,
        "username": _clipped("username", record.user),
        "subject": _clipped("subject", record.subject),
        "client_id": _clipped("client_id", record.client_id),
        "authorization_id": bytes.fromhex(record.authorization_id) or None,
        "network": _clipped("network", record.network),
        "detail": _clipped("detail", record.detail),
    }


def _clipped(name: str, text: str) -> str | None:
    """Return the text as its column can hold it: PostgreSQL takes no NUL, either."""
    return text[: _LENGTHS[name]].replace("\0", "") or None

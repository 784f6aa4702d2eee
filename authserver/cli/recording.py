"""Records what a command did in the audit trail. The actor is the operating system's user."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..domain.audit import AuditRecord, detail
from ..file_modes import user_name
from .common import now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..domain.models import User
    from ..store.database import Connection


def actor() -> str:
    """Return who runs this command."""
    return f"os:{user_name(os.geteuid())}"


def record(
    connection: "Connection",
    event: str,
    *,
    at: int | None = None,
    user: "User | None" = None,
    client_id: str = "",
    authorization_id: str = "",
    **fields: object,
) -> None:
    """Add one of OTHER_EVENTS to the audit trail, in the transaction of the change. `at` is in microseconds, now by
    default. `fields` must not contain a secret."""
    from ..store import events

    texts = {name: str(value) for name, value in fields.items()}
    about = AuditRecord(event, actor(), client_id=client_id, authorization_id=authorization_id, detail=detail(texts))
    written = _about_user(about, user) if user else about
    events.add(connection, now(connection) if at is None else at, [written])


def record_many(connection: "Connection", event: str, users: "Iterable[User]", **fields: str) -> None:
    """Add the same event to the audit trail for many users, as `record` does for one."""
    from ..store import events

    about = AuditRecord(event, actor(), detail=detail(fields))
    events.add(connection, now(connection), (_about_user(about, user) for user in users))


def _about_user(record: AuditRecord, user: "User") -> AuditRecord:
    return replace(record, user=user.username, subject=user.id)

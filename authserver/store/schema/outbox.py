"""Messages that the server owes to others (domain/outbox.py)."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, LargeBinary, String, Table, Text, text

from .base import metadata

_WAITS, _HAS_SESSION = text("next_at IS NOT NULL"), text("session_id IS NOT NULL")

outbox = Table(
    "outbox",
    metadata,
    # Never used again: a receiver recognises a repetition by it.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("content", Text, nullable=False),  # a JSON object
    # No foreign keys: the message may tell that one of them was deleted.
    Column("user_id", String(64)),
    Column("client_id", Text),
    Column("session_id", LargeBinary(16)),
    Column("created_at", BigInteger, nullable=False),
    Column("next_at", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("finished_at", BigInteger, index=True),
    Column("is_delivered", Boolean, nullable=False),
    Index("ix_outbox_waiting", "queue", "next_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
    Index("ix_outbox_session_id", "session_id", sqlite_where=_HAS_SESSION, postgresql_where=_HAS_SESSION),
    sqlite_autoincrement=True,
)

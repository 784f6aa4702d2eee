"""Messages that the server owes to others (domain/outbox.py)."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Integer, LargeBinary, String, Table, Text

from .base import metadata, partial_index

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
    partial_index("ix_outbox_waiting", "queue", "next_at", where="next_at IS NOT NULL"),
    partial_index("ix_outbox_session_id", "session_id", where="session_id IS NOT NULL"),
    sqlite_autoincrement=True,
)

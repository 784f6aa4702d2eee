"""The audit trail: one row for each security event."""

from sqlalchemy import BigInteger, Column, Identity, Integer, LargeBinary, String, Table

from .base import metadata, partial_index

events = Table(
    "events",
    metadata,
    # In the order of writing, and never used again. An identity needs no privilege for its sequence.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("event", String(64), nullable=False),
    Column("actor", String(160), nullable=False),
    Column("result", String(16), nullable=False),
    # No foreign keys: the trail tells of users, clients and authorizations that have been deleted.
    Column("username", String(256)),
    Column("subject", String(64)),
    Column("client_id", String(128)),
    Column("authorization_id", LargeBinary(16)),
    Column("network", String(64)),
    Column("detail", String(1000)),
    # People see their own events, of which there are few among all. No other index: each would cost every event more
    # than its row does. The other filters read the rows of a period.
    partial_index(
        "ix_events_subject",
        "subject",
        "at",
        where="subject IS NOT NULL",
    ),
    sqlite_autoincrement=True,
)

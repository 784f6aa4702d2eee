"""The state of background work that all nodes share."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text

from .base import metadata

# One row, which all nodes share: how far pruning has got in the ids of the authorizations.
pruning = Table(
    "pruning",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", LargeBinary(17), nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("began_at", BigInteger),  # this pass over the table; NULL is unknown
)

# One row: digests of the settings with which a node last started, by name, in JSON. Secrets are left out.
settings_seen = Table(
    "settings_seen",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("digests", Text, nullable=False),
)

# How far the audit trail has been delivered to each receiver (domain/delivery.py).
deliveries = Table(
    "deliveries",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_at", BigInteger, nullable=False),
)

# How the clock was set in each boot of each machine (domain/timeline.py), by the moments of its steady clock.
clocks = Table(
    "clocks",
    metadata,
    Column("boot", String(64), primary_key=True),
    Column("intervals", Text, nullable=False),  # JSON
    Column("written_at", BigInteger, nullable=False),
)

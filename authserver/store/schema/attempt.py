"""Attempts to sign in, and the networks where users have signed in."""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from .base import metadata

# The keys are MACs (keyring/attempt_keys.py): a copy of the table names no account and no network.
attempts = Table(
    "attempts",
    metadata,
    Column("key", LargeBinary(33), primary_key=True),
    Column("clears_at", BigInteger, nullable=False),
    Column("waits_since", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

known_networks = Table(
    "known_networks",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("network", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False, index=True),
)

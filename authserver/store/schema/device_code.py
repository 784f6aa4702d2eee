"""Devices that wait for their users. The codes that people type are recomputed, never stored (domain/user_code.py)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from .base import metadata

device_codes = Table(
    "device_codes",
    metadata,
    # SHA-256 of the device code: we generated it.
    Column("hash", LargeBinary(32), primary_key=True),
    Column("user_code_mac", LargeBinary(32), nullable=False, unique=True),
    Column("refresh_key_id", String(64), nullable=False),
    Column("authorization_id", LargeBinary(16), nullable=False),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("resources", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # No index contains a column that a poll changes: that would double what each poll writes.
    Column("poll_interval", Integer, nullable=False),
    Column("polled_at", BigInteger),
    Column("answered_at", BigInteger),
    Column("answered_in", LargeBinary(16)),  # no foreign key: the interaction's row may be gone before this one
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("amr", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("used_at", BigInteger),
    # When the row is deleted: soon after it expires, so that its device is told why, or a day after its use.
    Column("delete_at", BigInteger, nullable=False, index=True),
)

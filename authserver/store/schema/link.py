"""Links that are sent to people. Their secrets are recomputed, never stored (domain/links.py)."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from .base import metadata

links = Table(
    "links",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("address", Text, nullable=False, index=True),
    Column("credential_version", Integer, nullable=False),
    Column("refresh_key_id", String(64), nullable=False),
    Column("interaction_id", LargeBinary(16)),
    Column("browser_hash", LargeBinary(32)),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
    # What the link is for, while it is unused. It is unique: only one such link remains, even if two are made at once.
    Column("slot", Text, index=True, unique=True),
    Column("message_id", BigInteger, nullable=False, server_default="0"),
)

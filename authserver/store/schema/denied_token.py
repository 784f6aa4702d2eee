"""Access tokens that introspection reports as inactive, until they expire."""

from sqlalchemy import BigInteger, Column, String, Table

from .base import metadata

denied_tokens = Table(
    "denied_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

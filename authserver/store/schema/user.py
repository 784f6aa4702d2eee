"""Users."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text

from .base import metadata

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

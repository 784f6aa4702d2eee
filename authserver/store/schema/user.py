"""Users, and their claims."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text

from .base import metadata, partial_index

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # When the user is deleted, who asked for that and is disabled until then.
    Column("delete_at", BigInteger),
    partial_index(
        "ix_users_delete_at",
        "delete_at",
        where="delete_at IS NOT NULL",
    ),
)

# Apart from `users`, which every refresh joins: most clients need no claims. A user without claims has no row.
user_claims = Table(
    "user_claims",
    metadata,
    Column("user_id", String(64), ForeignKey(users.c.id, ondelete="CASCADE"), primary_key=True),
    Column("claims", Text, nullable=False),  # a JSON object
    Column("email", Text, index=True, unique=True),  # the verified address in the claims, in its canonical form
)

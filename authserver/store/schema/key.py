"""Signing keys, refresh-token keys, and the key of pairwise subjects."""

from sqlalchemy import BigInteger, CheckConstraint, Column, String, Table, Text

from .base import metadata, partial_index

# Whatever the settings say and whoever asks: no key leaves the JWKS while a token that it signed may be valid (330 s
# of clock skew and stale processes included); a key that never signed may. No private part is destroyed while it may
# sign.
_REMOVED_IN_TIME = (
    "state <> 'removed' OR activated_at IS NULL OR (retired_at IS NOT NULL AND removed_at IS NOT NULL"
    " AND removed_at >= retired_at + (max_token_ttl + 330) * 1000000)"
)
_DESTROYED_IN_TIME = (
    "state <> 'retired' OR destroyed_at IS NULL OR (retired_at IS NOT NULL AND destroyed_at >= retired_at + 90000000)"
)

signing_keys = Table(
    "signing_keys",
    metadata,
    # SQLite accepts any length, whatever the type.
    Column("kid", String(64).with_variant(String(255), "postgresql"), primary_key=True),
    Column("alg", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("public", Text, nullable=False),
    Column("wrapped", Text),
    Column("max_token_ttl", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("activated_at", BigInteger),
    Column("retired_at", BigInteger),
    Column("destroyed_at", BigInteger),
    Column("removed_at", BigInteger),
    Column("revoked_at", BigInteger),
    CheckConstraint("state IN ('pending', 'active', 'retired', 'removed', 'revoked')", "ck_signing_keys_state"),
    CheckConstraint(_REMOVED_IN_TIME, "ck_signing_keys_removed_in_time"),
    CheckConstraint(_DESTROYED_IN_TIME, "ck_signing_keys_destroyed_in_time"),
    # Whatever races, there is at most one active and one pending key for each algorithm.
    partial_index(
        "uq_signing_keys_active",
        "alg",
        unique=True,
        where="state = 'active'",
    ),
    partial_index(
        "uq_signing_keys_pending",
        "alg",
        unique=True,
        where="state = 'pending'",
    ),
)

refresh_keys = Table(
    "refresh_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("wrapped", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("active_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("wrapped", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

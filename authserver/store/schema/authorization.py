"""Authorizations: one row for what a user allowed a client, refreshes included."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    event,
)

from .base import metadata, partial_index

authorizations = Table(
    "authorizations",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("subject", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("resources", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("rotated_from", Text, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoked_reason", String(32)),
    Column("refresh_key_id", String(64), nullable=False),
    Column("salt", LargeBinary(32), nullable=False),
    # No foreign key: the session's row may be gone before this one. These are NULL for a login without a browser.
    Column("session_id", LargeBinary(16)),
    Column("ends_with_session", Boolean),
    Column("amr", Text),
    Column("requested_claims", Text),  # JSON
    # Finds the active authorizations of one user and client. No index contains a column that a refresh changes: that
    # would double what each refresh writes.
    partial_index(
        "ix_authorizations_owner",
        "subject",
        "client_id",
        where="revoked_at IS NULL",
    ),
    Index("ix_authorizations_client_id", "client_id"),
    partial_index(
        "ix_authorizations_session_id",
        "session_id",
        where="session_id IS NOT NULL",
    ),
)

# A refresh has room for the new row on the same page, and so writes no index (PostgreSQL's HOT). Rows deleted by
# pruning are vacuumed soon.
event.listen(
    authorizations,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "ALTER TABLE authorizations SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05,"
        " autovacuum_analyze_scale_factor = 0.05)"
    ).execute_if(dialect="postgresql"),
)

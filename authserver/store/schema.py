"""The tables. Times are integer microseconds since the epoch; lists are words separated by one space."""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

clients = Table(
    "clients",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("auth_method", String(64), nullable=False),
    Column("grant_types", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("audiences", Text, nullable=False),
    Column("redirect_uris", Text, nullable=False),
    # Two secrets live at once, so that one can be changed without an outage; only SHA-256 of what we generated.
    Column("secret_hash", LargeBinary(32)),
    Column("secret_expires_at", BigInteger),
    Column("previous_secret_hash", LargeBinary(32)),
    Column("previous_secret_expires_at", BigInteger),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # What this client has of its own; the server's setting stands for a NULL.
    Column("access_token_ttl", Integer),
    Column("refresh_retry_window", Integer),
    Column("refresh_idle_ttl", Integer),
    Column("refresh_absolute_ttl", Integer),
    Column("rotation", Boolean),
    Column("access_token_alg", String(16)),  # NULL is the default
    Column("access_token_typ", String(16)),  # NULL is the default
    Column("web_origins", Text),  # NULL for none
    Column("max_authorizations", Integer),  # of the client's own, as above
    # Every process asks every few seconds which are used; hardly any client is in here.
    Index(
        "ix_clients_access_token_alg",
        "access_token_alg",
        sqlite_where=text("access_token_alg IS NOT NULL"),
        postgresql_where=text("access_token_alg IS NOT NULL"),
    ),
    # Nor are many of these; the id stands for the origins, which may be too long for an index of PostgreSQL.
    Index(
        "ix_clients_web_origins",
        "id",
        sqlite_where=text("web_origins IS NOT NULL"),
        postgresql_where=text("web_origins IS NOT NULL"),
    ),
)

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
    # Finds the living authorizations of one user and client. No index holds what a refresh changes: that would double
    # what each refresh writes.
    Index(
        "ix_authorizations_owner",
        "subject",
        "client_id",
        sqlite_where=text("revoked_at IS NULL"),
        postgresql_where=text("revoked_at IS NULL"),
    ),
    Index("ix_authorizations_client_id", "client_id"),
)

# A refresh finds room for the new row on the same page, and so writes no index (PostgreSQL's HOT). A pruning that
# deletes much is cleaned up soon.
event.listen(
    authorizations,
    "after_create",
    DDL(  # type: ignore[no-untyped-call]
        "ALTER TABLE authorizations SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05,"
        " autovacuum_analyze_scale_factor = 0.05)"
    ).execute_if(dialect="postgresql"),
)

# Whatever the configuration says, and whoever asks: no key leaves the JWKS while a token that it signed may live (330 s
# of clock skew and stale processes included); one that never signed may. Nor does a private part go while it may sign.
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
    # On SQLite any length, whatever the type says.
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
    # Whatever races, the database holds at most one active and one pending key for each algorithm.
    Index(
        "uq_signing_keys_active",
        "alg",
        unique=True,
        sqlite_where=text("state = 'active'"),
        postgresql_where=text("state = 'active'"),
    ),
    Index(
        "uq_signing_keys_pending",
        "alg",
        unique=True,
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
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

denied_tokens = Table(
    "denied_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# One row, which all nodes share: how far pruning has come along the ids of the authorizations.
pruning = Table(
    "pruning",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", LargeBinary(17), nullable=False),
    Column("next_at", BigInteger, nullable=False),
    Column("began_at", BigInteger),  # this pass over the table; NULL is unknown
)

# How the clock was set in each boot of each machine: domain/timeline.py. Moments are those of its steady clock.
clocks = Table(
    "clocks",
    metadata,
    Column("boot", String(64), primary_key=True),
    Column("intervals", Text, nullable=False),  # JSON
    Column("written_at", BigInteger, nullable=False),
)

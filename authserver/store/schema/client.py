"""Clients."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text, text

from .base import metadata

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

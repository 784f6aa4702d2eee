"""Clients."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, String, Table, Text

from .base import metadata, partial_index

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
    # Two secrets may be valid at once, so that one can be replaced without an outage. Stored as SHA-256: we generated
    # them.
    Column("secret_hash", LargeBinary(32)),
    Column("secret_expires_at", BigInteger),
    Column("previous_secret_hash", LargeBinary(32)),
    Column("previous_secret_expires_at", BigInteger),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # This client's own policy; the server's setting applies for NULL.
    Column("access_token_ttl", Integer),
    Column("refresh_retry_window", Integer),
    Column("refresh_idle_ttl", Integer),
    Column("refresh_absolute_ttl", Integer),
    Column("rotation", Boolean),
    Column("access_token_alg", String(16)),  # NULL is the default
    Column("access_token_typ", String(16)),  # NULL is the default
    Column("web_origins", Text),  # NULL for none
    Column("max_authorizations", Integer),  # part of the client's own policy, as above
    Column("access_token_claims", Text),  # NULL for none
    Column("user_address_header", String(64)),  # NULL for none
    Column("id_token_alg", String(16)),  # NULL is the default
    Column("userinfo_alg", String(16)),  # NULL for none
    # Metadata that no query needs: a JSON object with RFC 7591's names, without members that have their default value.
    Column("client_metadata", Text),  # NULL for none
    Column("code_retry_window", Integer),  # part of the client's own policy, as above
    # Every process reads every few seconds which algorithms are used; hardly any client is in these indexes.
    *(
        partial_index(
            f"ix_clients_{column}",
            column,
            where=f"{column} IS NOT NULL",
        )
        for column in ("access_token_alg", "id_token_alg", "userinfo_alg")
    ),
    # Few clients are in this index, either. It contains ids, since origins may be too long for an index of PostgreSQL.
    partial_index(
        "ix_clients_web_origins",
        "id",
        where="web_origins IS NOT NULL",
    ),
)

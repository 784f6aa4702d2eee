"""Signing in with a browser: sessions, interactions, authorization codes and consents."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, Table, Text

from .base import metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    # Secrets of cookies are stored as SHA-256: we generated them.
    Column("secret_hash", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("amr", Text, nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("ended_at", BigInteger),
    Column("network", Text, nullable=False),
    Column("device", Text),
)

# The clients that signed the user in. Those with a back-channel logout URI are told when the session ends; by then,
# their authorizations may be gone.
session_clients = Table(
    "session_clients",
    metadata,
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True),
)

interactions = Table(
    "interactions",
    metadata,
    Column("id", LargeBinary(16), primary_key=True),
    Column("browser_hash", LargeBinary(32), nullable=False),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("request", Text, nullable=False),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    # No foreign keys to sessions and codes: their rows may be gone before this one.
    Column("session_id", LargeBinary(16)),
    Column("signed_in", Boolean, nullable=False),
    Column("chosen", Boolean, nullable=False),
    Column("agreed", Boolean, nullable=False),
    Column("denied", Boolean, nullable=False),
    Column("code_hash", LargeBinary(32)),
    Column("device_code_hash", LargeBinary(32)),
)

codes = Table(
    "codes",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("authorization_id", LargeBinary(16), nullable=False),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("session_id", ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("redirect_uri", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("resources", Text, nullable=False),
    Column("requested_claims", Text, nullable=False),  # JSON, or empty
    Column("nonce", Text, nullable=False),
    Column("code_challenge", Text, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("amr", Text, nullable=False),
    Column("credential_version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    # When the row is deleted: unused ones when they expire, so that nobody can fill the table.
    Column("delete_at", BigInteger, nullable=False, index=True),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True),
    Column("scope", Text, nullable=False),
    Column("claims", Text, nullable=False),
    Column("resources", Text, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
)

"""The values that the whole server speaks in. Times are microseconds since the epoch, lifetimes seconds."""

from dataclasses import dataclass, field
from typing import Any

from .algorithms import DEFAULT, DEFAULT_TYP

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """Lifetimes in seconds and bounds: the server's, or a client's own."""

    access_token_ttl: int = 900
    refresh_retry_window: int = 30
    refresh_idle_ttl: int = 7 * 86400
    refresh_absolute_ttl: int = 30 * 86400
    max_authorizations: int = 100
    rotation: bool = True


@dataclass(frozen=True, slots=True)
class Secret:
    """The SHA-256 of a client secret that we generated, and when it ends (microseconds; None is never)."""

    hash: bytes
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    name: str
    auth_method: str
    grant_types: frozenset[str]
    scope: tuple[str, ...]
    audiences: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    disabled: bool = False
    created_at: int = 0
    access_token_alg: str = DEFAULT
    access_token_typ: str = DEFAULT_TYP
    web_origins: tuple[str, ...] = ()
    """Pages of these origins may call /token and /revoke from a browser (CORS)."""
    policy: dict[str, Any] = field(default_factory=dict)
    """What this client has of its own, by the names of Policy; the server's policy stands for the rest."""


@dataclass(frozen=True, slots=True)
class User:
    id: str
    username: str
    password_hash: str
    credential_version: int = 0
    disabled: bool = False
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one user allowed one client at one moment; carries the refresh-token sequence, its generations."""

    id: bytes
    client_id: str
    subject: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    created_at: int
    authenticated_at: int
    credential_version: int
    generation: int
    rotated_at: int
    rotated_from: str
    idle_expires_at: int
    expires_at: int
    revoked_at: int | None
    revoked_reason: str | None
    refresh_key_id: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One signing key: its public part for as long as the row lives, its private part until that is destroyed."""

    kid: str
    alg: str
    state: str
    public: dict[str, str]
    wrapped: str | None
    """The private part, wrapped, or where a key service keeps it."""
    max_token_ttl: int
    """Seconds: the longest lifetime of any token that this key may have signed."""
    created_at: int
    activated_at: int | None = None
    retired_at: int | None = None
    destroyed_at: int | None = None
    removed_at: int | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class RefreshTokenKey:
    """A key that makes refresh tokens; new authorizations use the newest whose `active_at` has come."""

    id: str
    wrapped: str
    created_at: int
    active_at: int
    revoked_at: int | None = None

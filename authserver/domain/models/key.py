"""Keys as the database has them. Times are microseconds since the epoch, lifetimes seconds."""

from dataclasses import dataclass


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

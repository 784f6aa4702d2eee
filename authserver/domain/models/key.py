"""Keys as the database stores them. Times are microseconds since the epoch; lifetimes are seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One signing key: its public part for as long as the row exists, its private part until that is destroyed."""

    kid: str
    alg: str
    state: str
    public: dict[str, str]
    wrapped: str | None
    """The wrapped private part, or the URI of the key in a key service; None once it is destroyed."""
    max_token_ttl: int
    """The longest lifetime of any token that this key may have signed, in seconds."""
    created_at: int
    activated_at: int | None = None
    retired_at: int | None = None
    destroyed_at: int | None = None
    removed_at: int | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class RefreshTokenKey:
    """A key that makes refresh tokens. New authorizations use the newest key whose `active_at` has passed."""

    id: str
    wrapped: str
    created_at: int
    active_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """The key that makes pairwise subjects. It never rotates: with another one, clients would not know their users."""

    id: str
    wrapped: str
    created_at: int

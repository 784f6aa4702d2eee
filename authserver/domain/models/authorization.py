"""Authorizations. Times are microseconds since the epoch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one user allowed one client at one moment. It carries the generations of its refresh tokens."""

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

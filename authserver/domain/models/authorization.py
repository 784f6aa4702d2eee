"""Authorizations. Times are microseconds since the epoch."""

from ..record import record


@record(frozen=True, slots=True)
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
    session_id: bytes | None = None
    """The browser session in which the user allowed it; None for a login without a browser."""
    ends_with_session: bool = False
    """Whether it ends when that session does (OpenID Connect Core s11: access while the user is not present)."""
    amr: tuple[str, ...] = ()
    """How the user was authenticated (RFC 8176)."""
    requested_claims: str = ""
    """The `claims` parameter of the authorization request; empty for none."""
    session_ends_at: int | None = None
    """When the session ended or will end, if it ends with it; otherwise None. Loaded with it, and not stored in it."""

    @property
    def ends_at(self) -> int:
        """When it reaches its end, unless it is refreshed or revoked."""
        ends_at = min(self.idle_expires_at, self.expires_at)
        return ends_at if self.session_ends_at is None else min(ends_at, self.session_ends_at)

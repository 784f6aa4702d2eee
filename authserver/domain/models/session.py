"""Browser sessions. Times are microseconds since the epoch."""

from ..record import record


@record(frozen=True, slots=True)
class Session:
    """A browser in which a user has signed in. Clients see `id` as `sid`; the cookie has a secret, which changes at
    every sign-in, and the id does not."""

    id: bytes
    secret_hash: bytes
    user_id: str
    credential_version: int
    created_at: int
    authenticated_at: int
    amr: tuple[str, ...]
    kept: bool
    """Whether the user asked to stay signed in: then it has no idle end of its own, and outlives the browser."""
    seen_at: int
    idle_expires_at: int
    expires_at: int
    ended_at: int | None
    network: str
    device: str = ""
    """What the browser says it is (domain/device.py); "" if that is not known."""

    @property
    def ends_at(self) -> int:
        """When it ended, or will end unless the user comes back."""
        ends_at = min(self.idle_expires_at, self.expires_at)
        return ends_at if self.ended_at is None else min(ends_at, self.ended_at)

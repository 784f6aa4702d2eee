"""Device codes. Times are microseconds since the epoch."""

from ..record import record


@record(frozen=True, slots=True)
class DeviceCode:
    """A device that waits for its user (RFC 8628): its device code can be used once, after the user has allowed it. The
    code that the user types is recomputed (domain/user_code.py). The authorization that it begins has its id already,
    so that a replay can end it without a search."""

    hash: bytes
    user_code_mac: bytes
    """By which the row is found when the user types the code."""
    refresh_key_id: str
    """The refresh-token key that the user code is derived from."""
    authorization_id: bytes
    client_id: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    """As they were asked for; none for the client's first audience."""
    network: str
    """Where the device is."""
    created_at: int
    expires_at: int
    poll_interval: int
    """The seconds between two polls, as they have grown."""
    polled_at: int | None = None
    """When it last polled in time; None if it never did."""
    answered_at: int | None = None
    """When a user allowed or denied it; None while it waits."""
    answered_in: bytes | None = None
    """The interaction in which that was."""
    user_id: str | None = None
    """The user who allowed it; None while it waits, and if it was denied."""
    authenticated_at: int = 0
    amr: tuple[str, ...] = ()
    credential_version: int = 0
    """When and how the user was authenticated, and the version of their password."""
    used_at: int | None = None

    @property
    def is_denied(self) -> bool:
        return self.answered_at is not None and self.user_id is None

"""What has to happen before a device gets tokens (RFC 8628): on the pages, and between two of its polls."""

from enum import Enum

from .models import SECOND, DeviceCode, Interaction
from .record import record

INTERVAL = 5
"""The seconds that a device waits between two polls, at first."""
_INCREASE = 5  # seconds
_TOLERANCE = SECOND
"""How much closer two polls may arrive than they were sent."""


class Step(Enum):
    """What the pages show next."""

    SIGN_IN = "sign_in"
    ASK = "ask"
    ALLOWED = "allowed"
    DENIED = "denied"
    COMPLETED = "completed"
    """Somebody answered in another browser."""
    EXPIRED = "expired"


def next_step(interaction: Interaction, code: DeviceCode | None, *, signed_in: bool, now: int) -> Step:
    """Return what comes next in the interaction in which the code was typed; `code` is None if its row is gone. `now`
    is in microseconds."""
    if code is None:
        return Step.EXPIRED
    if code.answered_in == interaction.id:
        return Step.DENIED if code.is_denied else Step.ALLOWED
    if code.answered_at is not None:
        return Step.COMPLETED
    if now >= code.expires_at:
        return Step.EXPIRED
    return Step.ASK if signed_in else Step.SIGN_IN


@record(frozen=True, slots=True)
class Polling:
    """How a device polls: the seconds that it must wait, and when it last polled in time (microseconds)."""

    interval: int
    polled_at: int | None

    def is_too_soon(self, now: int) -> bool:
        if self.polled_at is None:
            return False
        # A time that is still to come was written by a clock that was ahead.
        return 0 <= now - self.polled_at < self.interval * SECOND - _TOLERANCE

    def after(self, now: int) -> "Polling":
        """Return how it polls after a poll at `now`."""
        # RFC 8628 s3.5: the interval MUST be increased by 5 seconds for this and all subsequent requests.
        return (
            Polling(self.interval + _INCREASE, self.polled_at) if self.is_too_soon(now) else Polling(self.interval, now)
        )


def is_out_of_turns(code: DeviceCode) -> bool:
    """Whether the interval has grown so long that no poll before the code's end could be in time: then it need not grow
    further, so that a device that polls without a pause does not cause writes without an end."""
    return code.poll_interval * SECOND >= code.expires_at - code.created_at

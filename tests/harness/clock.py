"""A clock that is moved by hand."""

from tests.harness.constants import SECOND


class Clock:
    """Microseconds since the epoch, moved by hand."""

    def __init__(self, now: int = 1_800_000_000 * SECOND) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)

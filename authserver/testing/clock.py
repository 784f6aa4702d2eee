"""The clock of an issuer in a test's hands."""

from collections.abc import Callable

from .. import system
from ..domain.models import SECOND


class Clock:
    """Real time, so that verifiers with a clock of their own agree with it, until it is moved forward."""

    def __init__(self) -> None:
        self._ahead = 0
        self.moved: Callable[[], None] = lambda: None
        """Called after every move."""

    def __call__(self) -> float:
        """Seconds since 1970, as `Guard(now=...)` wants it."""
        return self.microseconds() / SECOND

    def microseconds(self) -> int:
        """Since 1970, as the server wants it."""
        return system.now() + self._ahead

    def forward(self, seconds: float) -> None:
        """Raises ValueError for a way back, on which what has expired would live again."""
        if seconds < 0:
            raise ValueError(f"This clock goes forward only, not by {seconds} seconds.")
        self._ahead += round(seconds * SECOND)
        self.moved()

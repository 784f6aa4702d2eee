"""The clock of an issuer for tests."""

from collections.abc import Callable

from .. import system
from ..domain.models import SECOND


class Clock:
    """Real time until it is moved forward, so that verifiers with their own clock agree with it."""

    def __init__(self) -> None:
        self._ahead = 0
        self.moved: Callable[[], None] = lambda: None
        """Called after every move."""

    def __call__(self) -> float:
        """Return the seconds since 1970, as for `Guard(now=...)`."""
        return self.microseconds() / SECOND

    def microseconds(self) -> int:
        """Return the microseconds since 1970."""
        return system.now() + self._ahead

    def forward(self, seconds: float) -> None:
        """Move the clock forward. Raises ValueError for negative seconds: expired tokens would become valid again."""
        if seconds < 0:
            raise ValueError(f"The clock only moves forward, not by {seconds} seconds.")
        self._ahead += round(seconds * SECOND)
        self.moved()

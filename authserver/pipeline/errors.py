"""How a handler ends without a decision: it refuses the request, or it asks for another attempt."""

from collections.abc import Iterable

from ..domain.times import retry_after
from ..store.changes import Change
from .event import Event


class Refusal(Exception):
    """An error response. The caller gets `code` and its constant sentence; the log gets `detail`."""

    is_expected = False
    """Whether a client that does everything right gets it all the time, so that the log shows it only for debugging."""

    def __init__(
        self,
        code: str,
        detail: str,
        status: int = 400,
        *,
        description: str = "",
        retry_after: int = 0,
        writes: Change | None = None,
        events: Iterable[Event] = (),
    ) -> None:
        """`detail` must contain neither a secret nor anything that the caller sent. `description` replaces the code's
        constant sentence. `retry_after` is in seconds; 0 is not sent. `writes` is committed before the response is
        sent; it is separate from a Decision's change, so that a refusal can never commit that one."""
        super().__init__(detail)
        self.code, self.detail, self.status, self.description = code, detail, status, description
        self.retry_after, self.writes, self.events = retry_after, writes, events


class TooManyAttempts(Refusal):
    """A caller must wait before it tries again. The code is the one that says to a client that it may."""

    def __init__(self, detail: str, wait: int) -> None:
        """`wait` is in microseconds."""
        super().__init__("temporarily_unavailable", detail, 429, retry_after=retry_after(wait))


class Stale(Exception):
    """The loaded data is out of date or not enough to decide: begin a new attempt, which loads it again."""

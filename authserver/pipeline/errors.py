"""How a handler ends without a decision: it refuses the request, or it asks for another attempt."""

from collections.abc import Iterable

from ..store.changes import Change
from .event import Event


class Refusal(Exception):
    """An error response. The caller gets `code` and its constant sentence; the log gets `detail`."""

    def __init__(
        self,
        code: str,
        detail: str,
        status: int = 400,
        *,
        description: str = "",
        writes: Change | None = None,
        events: Iterable[Event] = (),
    ) -> None:
        """`detail` must contain neither a secret nor anything that the caller sent. `description` replaces the code's
        constant sentence. `writes` is committed before the response is sent; it is separate from a Decision's change,
        so that a refusal can never commit that one."""
        super().__init__(detail)
        self.code, self.detail, self.status, self.description = code, detail, status, description
        self.writes, self.events = writes, events


class Stale(Exception):
    """The loaded data is out of date or not enough to decide: begin a new attempt, which loads it again."""

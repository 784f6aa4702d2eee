"""How a handler ends without a decision: it refuses, or it asks for another attempt."""

from collections.abc import Iterable

from ..store.changes import Change
from .event import Event


class Refusal(Exception):
    """An error response. It carries two texts: `code`, from which the caller's constant sentence is made, and `detail`
    for the log."""

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
        """Neither a secret nor anything that the caller sent belongs in `detail`. `description` replaces the code's
        constant sentence for this caller. `writes` is committed before the response leaves: a success's change is in
        its Decision alone, so that no refusal can commit it."""
        super().__init__(detail)
        self.code, self.detail, self.status, self.description = code, detail, status, description
        self.writes, self.events = writes, events


class Stale(Exception):
    """What was loaded is out of date or not enough to decide from: begin a new attempt, which loads again."""

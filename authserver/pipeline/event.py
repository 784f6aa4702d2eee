"""What happened, as a value: a line of the log, and perhaps a row of the audit trail."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field

from ..domain.record import record


@record(frozen=True, slots=True)
class Event:
    """The pipeline logs an event once the change that it reports is durable. An audited one (domain/audit.py) is
    written in the change's transaction. docs/reference/events.md lists all events."""

    name: str
    level: str = "info"
    fields: Mapping[str, str] = field(default_factory=dict)


class LateEvents(Iterable[Event]):
    """Events that report what the commit did: they are made each time that they are read, during or after it."""

    def __init__(self, make: Callable[[], Iterable[Event]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[Event]:
        return iter(self._make())

"""One line of the log, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """The pipeline logs an event once the change that it reports is durable. docs/reference/events.md lists all
    events."""

    name: str
    level: str = "info"
    fields: Mapping[str, str] = field(default_factory=dict)

"""A line of the log, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """Logged by the pipeline once the change that it tells of is durable; docs/reference/events.md lists them all."""

    name: str
    level: str = "info"
    fields: Mapping[str, str] = field(default_factory=dict)

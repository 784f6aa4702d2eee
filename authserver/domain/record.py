"""Dataclasses that are made for each request.

`@record(frozen=True, slots=True)` is a frozen dataclass for the type checker, which reads every line of ours. At run
time it is an ordinary one: Python makes a frozen one with 22 fields in 8 us, and an ordinary one in 1 us. A refresh
makes a dozen, with 90 fields in all.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(*, frozen: bool, slots: bool, eq: bool = True) -> Any:  # noqa: ARG001
        """Like `dataclass`: records that are compared by their fields are hashed by them, too."""
        return dataclass(slots=slots, eq=eq, unsafe_hash=eq)

"""One attempt to handle a request. Each begins at the load step; there are a few, since another request may commit
first."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..domain.elapsed import Elapsed


class Request(Protocol):
    """What every parsed request has, whatever its protocol."""

    @property
    def arrived_at(self) -> int:
        """Microseconds: the time by which the whole request is judged."""
        ...

    @property
    def network(self) -> str:
        """The caller's network, for events."""
        ...


R = TypeVar("R", bound=Request, covariant=True)


@dataclass(frozen=True, slots=True)
class Attempt(Generic[R]):
    request: R
    number: int
    """0 for the first."""
    elapsed: Elapsed

"""One attempt to handle a request. If another request commits first, a new attempt begins, with a fresh client."""

from typing import Generic, Protocol, TypeVar

from ..domain.elapsed import Elapsed
from ..domain.record import record


class Request(Protocol):
    """The fields of every parsed request, whatever its protocol."""

    @property
    def arrived_at(self) -> int:
        """When the request had arrived, in microseconds: every decision about the request uses this time."""
        ...

    @property
    def network(self) -> str:
        """The caller's network, for events."""
        ...


R = TypeVar("R", bound=Request, covariant=True)


@record(frozen=True, slots=True)
class Attempt(Generic[R]):
    request: R
    number: int
    """0 for the first."""
    elapsed: Elapsed
    is_counted: bool = False
    """Whether an earlier attempt has counted what the request tries."""

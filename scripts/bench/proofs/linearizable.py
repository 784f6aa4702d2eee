"""Decides whether a recorded history of one login is linearizable: whether its operations can be put in an order, each
at a moment between its request and its response, in which running them one after the other gives the recorded
responses.

The algorithm is that of Wing and Gong, and remembers the states that it has visited. What an operation does is defined
here independently, by the documentation and not by the server's code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Kind = Literal["refresh", "end"]
FOREVER = float("inf")
_WINDOW = 30.0  # seconds, the server's default retry window


@dataclass(frozen=True)
class Operation:
    """A request and its response. The kind `end` is a revocation or a change of password, which ends the login."""

    kind: Kind
    invoked: float
    """When the request was sent, in seconds on the same clock as `returned`."""
    returned: float = FOREVER
    """When the response arrived; FOREVER if it is unknown whether the operation took effect (503, a lost
    connection)."""
    presented: int = 0
    """The generation of the refresh token in the request."""
    result: int | None = None
    """The generation of the refresh token in the response; None if the request was refused."""

    def __str__(self) -> str:
        outcome = ("refused" if self.result is None else self.result) if self.is_known else "unknown"
        did = "end" if self.kind == "end" else f"refresh {self.presented} -> {outcome}"
        return f"{self.invoked:.4f} to {self.returned:.4f} {did}"

    @property
    def is_known(self) -> bool:
        return self.returned != FOREVER


@dataclass(frozen=True)
class Login:
    """The state of one login between two operations."""

    generation: int = 0
    rotated: tuple[float, float] = (0.0, 0.0)
    """The moments between which it was last rotated."""
    is_over: bool = False


class Step(NamedTuple):
    result: int | None
    after: Login


def steps(login: Login, operation: Operation, window: float = _WINDOW) -> list[Step]:
    """Return every possible result of the operation. There are two only if it is uncertain whether a retry was in
    time."""
    over = Step(None, replace(login, is_over=True))
    if operation.kind == "end":
        return [over]
    if login.is_over:
        return [Step(None, login)]
    if operation.presented == login.generation:
        next = operation.presented + 1
        return [Step(next, Login(next, (operation.invoked, operation.returned)))]
    if operation.presented > login.generation:
        return []  # no client has this token yet: commits were lost
    if operation.presented < login.generation - 1:
        return [over]
    retried, reused = Step(login.generation, login), over
    soonest, latest = operation.invoked - login.rotated[1], operation.returned - login.rotated[0]
    return ([retried] if soonest < window else []) + ([reused] if latest >= window else [])


def is_linearizable(history: Sequence[Operation], login: Login, window: float = _WINDOW) -> bool:
    """Whether the history is linearizable. `login` is the state before it. An operation with an unknown outcome may
    have taken effect in any possible way, at any time since its request, or not at all."""
    operations = sorted(history, key=lambda operation: operation.invoked)
    must_appear = sum(1 << place for place, operation in enumerate(operations) if operation.is_known)
    open = [(login, (1 << len(operations)) - 1)]
    seen = set(open)
    while open:
        state, left = open.pop()
        if not left & must_appear:
            return True
        for place in _next(operations, state, left, window):
            for after in _matching(state, operations[place], window):
                reached = (after, left & ~(1 << place))
                if reached not in seen:
                    seen.add(reached)
                    open.append(reached)
    return False


def _next(operations: Sequence[Operation], login: Login, left: int, window: float) -> list[int]:
    """Return the places of the operations that can be next: none of them was sent after the response to another that is
    left.

    If one of them has the expected result and changes nothing, it is the only one to try: it fits now as well as later.
    """
    bound, places = FOREVER, []
    for place in _places(left):
        operation = operations[place]
        if operation.invoked > bound:
            break
        bound = min(bound, operation.returned)
        places.append(place)
    for place in places:
        operation = operations[place]
        if operation.is_known and login in _matching(login, operation, window):
            return [place]
    return places


def _places(left: int) -> Iterator[int]:
    while left:
        lowest = left & -left
        yield lowest.bit_length() - 1
        left ^= lowest


def _matching(login: Login, operation: Operation, window: float) -> list[Login]:
    """Return the possible states after the operation, given its response."""
    ways = steps(login, operation, window)
    return [way.after for way in ways if not operation.is_known or way.result == operation.result]

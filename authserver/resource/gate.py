"""What an adapter gets to protect one route with; frameworks differ only in where a header is and how one answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .errors import Answer, TokenRejected
from .requirement import Requirement
from .token import AccessToken


@dataclass(frozen=True, slots=True)
class Gate:
    """`admit` and `aadmit` take the values of all Authorization headers of a request and raise TokenRejected, for which
    `answer` says what to send. They return None for a request without a token, where the route does not need one.

    `check` asks the same of a token that was admitted before. For documents, `need` is what the route asks for, and
    `name` tells this guard from others.
    """

    admit: Callable[[Sequence[str]], AccessToken | None]
    aadmit: Callable[[Sequence[str]], Awaitable[AccessToken | None]]
    check: Callable[[AccessToken | None], AccessToken | None]
    answer: Callable[[TokenRejected], Answer]
    need: Requirement
    name: str

"""What an adapter gets to protect one route with; frameworks differ only in where a header is and how one answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from authserver.resource.errors import Answer, TokenRejected
from authserver.resource.token import AccessToken


@dataclass(frozen=True, slots=True)
class Gate:
    """`admit` and `aadmit` take the values of all Authorization headers of a request and raise TokenRejected, for which
    `answer` says what to send. `scope` is what the route asks for, for documents."""

    admit: Callable[[Sequence[str]], AccessToken]
    aadmit: Callable[[Sequence[str]], Awaitable[AccessToken]]
    answer: Callable[[TokenRejected], Answer]
    scope: tuple[str, ...]

"""`Gate`: protects one route for an adapter. Frameworks differ only in how to read a header and how to respond."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from .errors import Answer, TokenRejected
from .requirement import Requirement
from .token import AccessToken


@dataclass(frozen=True, slots=True)
class Gate:
    """`admit` and `aadmit` take the values of all Authorization headers of a request. They return the token, or None
    for a request without a token if the route does not need one. They raise TokenRejected, for which `answer` makes the
    HTTP response.

    `check` makes the same checks on a token that was admitted before. For OpenAPI documents, `need` is what the route
    requires, and `name` distinguishes this guard from others.
    """

    admit: Callable[[Sequence[str]], AccessToken | None]
    aadmit: Callable[[Sequence[str]], Awaitable[AccessToken | None]]
    check: Callable[[AccessToken | None], AccessToken | None]
    answer: Callable[[TokenRejected], Answer]
    need: Requirement
    name: str

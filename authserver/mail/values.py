"""What the templates of emails are given, from the messages in the outbox."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..domain.outbox import Message

Values = Callable[[Message, Mapping[str, Any]], Awaitable[Mapping[str, object]]]
"""Returns the values for an email's template, `link` included, from the `values` of its message. It may read the
database. Raises NotSent, and Unneeded."""


class Unneeded(Exception):
    """The email is not needed, for example because nobody has an account with this address. This is not a failure."""


async def as_they_are(_message: Message, values: Mapping[str, Any]) -> Mapping[str, object]:
    """The `Values` of an email whose message already has all of them."""
    return values

"""The event of a session that has ended."""

from ..domain.session_end import EndedBy
from ..pipeline.event import Event


def session_ended(id: bytes, reason: EndedBy, **fields: str) -> Event:
    """`fields` are those that the request does not supply, such as the `subject` of another user."""
    return Event("session_ended", fields={"sid": id.hex(), **fields, "reason": reason.value})

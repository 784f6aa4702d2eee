"""Links that are sent to people. Times are microseconds since the epoch."""

from dataclasses import dataclass
from enum import StrEnum


class LinkKind(StrEnum):
    """What a person can do with a link."""

    RESET = "reset"
    """Choose a new password."""
    SIGN_UP = "sign_up"
    """Create an account with the address that the link was sent to."""
    EMAIL = "email"
    """Confirm that the address that the link was sent to is theirs."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that works once. Its text is recomputed from this and a key, and is never stored."""

    id: bytes
    kind: LinkKind
    user_id: str | None
    """The user whom it is for; None for somebody who has no account yet."""
    address: str
    """The address that it was sent to, as it was typed; empty if an operator made it."""
    credential_version: int
    """The user's when it was made: a password that was changed since ends it."""
    refresh_key_id: str
    """The refresh-token key that its text is derived from."""
    interaction_id: bytes | None
    """The interaction in which it was asked for."""
    browser_hash: bytes | None
    """The browser in which it was asked for."""
    created_at: int
    expires_at: int
    used_at: int | None = None
    message_id: int = 0
    """The email's number in the outbox, which says what was asked for last; 0 if an operator made the link."""

"""Sets the password that a person chose with a link, and ends everything that began with the old one."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ..domain.models import Link, User
from ..domain.outbox import NewMessage
from . import authorizations, links, outbox, session_ends, users
from .changes import Change

REASON = "password_changed"
"""The `revoked_reason` of the authorizations that end."""


@dataclass(frozen=True, slots=True)
class _Reset:
    link_id: bytes
    user: User
    password_hash: str
    mails: Sequence[NewMessage]


def reset(link: Link, user: User, password_hash: str, *mails: NewMessage) -> Change:
    """Use the link and set the password of its user, end all sessions and authorizations, and let the mails be sent.
    The guard fails if the link was used, replaced or has expired."""
    return Change(_reset_many, "links", link.id, _Reset(link.id, user, password_hash, mails))


def _reset_many(connection: Connection, resets: Sequence[_Reset], now: int) -> list[bool]:
    return [_reset(connection, each, now) for each in resets]


def _reset(connection: Connection, reset: _Reset, now: int) -> bool:
    if not links.use(connection, reset.link_id, now):
        return False
    user = reset.user
    authorizations.end_of_user(connection, user.id, reason=REASON, now=now)
    session_ends.end_of_user(connection, user.id, reason=REASON, now=now)
    outbox.add_many(connection, reset.mails, now)
    return users.set_password(connection, user.username, reset.password_hash)

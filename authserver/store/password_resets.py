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
    link: Link
    user_id: str
    password_hash: str
    mails: Sequence[NewMessage]
    ended: list[bytes]


class _Refused(Exception):
    """Nothing may be written."""


def reset(link: Link, user: User, password_hash: str, *mails: NewMessage, ended: list[bytes]) -> Change:
    """Use the link and set the password of its user, end all sessions and authorizations, and let the mails be sent.
    The guard fails if the link was used, replaced or has expired, if the password was changed since the link was made,
    or if the user is blocked (see `User`). `ended` gets the ids of the sessions."""
    return Change(_reset_many, "links", link.id, _Reset(link, user.id, password_hash, mails, ended))


def _reset_many(connection: Connection, resets: Sequence[_Reset], now: int) -> list[bool]:
    return [_reset(connection, each, now) for each in resets]


def _reset(connection: Connection, reset: _Reset, now: int) -> bool:
    link, user_id = reset.link, reset.user_id
    try:
        with connection.begin_nested():
            if not links.use(connection, link.id, now):
                raise _Refused
            authorizations.end_of_user(connection, user_id, reason=REASON, now=now)
            reset.ended[:] = session_ends.end_of_user(connection, user_id, reason=REASON, now=now)
            # Last, in the order in which rows are locked. Another change may have come first.
            if not users.replace_password(connection, user_id, reset.password_hash, seen=link.credential_version):
                raise _Refused
            outbox.add_many(connection, reset.mails, now)
    except _Refused:
        return False
    return True

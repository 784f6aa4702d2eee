"""Changes a user's email address to one whose mail the user has proved to read."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ..domain.models import Link
from ..domain.outbox import NewMessage
from . import links, outbox, user_claims, users
from .changes import Change
from .user_claims import EmailInUse


@dataclass(frozen=True, slots=True)
class _EmailChange:
    link: Link
    user_id: str
    mails: Sequence[NewMessage]


class _Refused(Exception):
    """Nothing may be written."""


def change_email(link: Link, user_id: str, *mails: NewMessage) -> Change:
    """Use the link, make its address the verified one of the user, and let the mails be sent. Links that were sent to
    the old address stop working. The guard fails if the link was used, replaced or has expired, if the password was
    changed since the link was made, if the user is disabled, or if another user has the address by now."""
    return Change(_change_many, "links", link.id, _EmailChange(link, user_id, mails))


def _change_many(connection: Connection, changes: Sequence[_EmailChange], now: int) -> list[bool]:
    return [_change(connection, each, now) for each in changes]


def _change(connection: Connection, change: _EmailChange, now: int) -> bool:
    email = {"email": change.link.address, "email_verified": True}
    try:
        with connection.begin_nested():
            if not links.use(connection, change.link.id, now):
                raise _Refused
            if not users.lock(connection, change.user_id, seen=change.link.credential_version):
                raise _Refused
            user_claims.replace(connection, change.user_id, {**user_claims.lock(connection, change.user_id), **email})
            outbox.add_many(connection, change.mails, now)
    except (_Refused, EmailInUse):
        return False
    return True

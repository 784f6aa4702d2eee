"""Creates the account of a person who signs up, and begins their session."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ..domain.models import User
from . import links, sessions, users
from .changes import Change
from .sessions import BeginSession
from .user_claims import EmailInUse


@dataclass(frozen=True, slots=True)
class _SignUp:
    user: User
    link_id: bytes | None
    begin: BeginSession | None


class _Refused(Exception):
    """Nothing may be written."""


def sign_up(user: User, *, link_id: bytes | None = None, begin: BeginSession | None = None) -> Change:
    """Add the user, use up the link that proved their address, and begin their session. The guard fails if somebody has
    the name or the address by now, or if the link was used, replaced or has expired."""
    return Change(_sign_up_many, "links", link_id or user.id.encode(), _SignUp(user, link_id, begin))


def _sign_up_many(connection: Connection, sign_ups: Sequence[_SignUp], now: int) -> list[bool]:
    return [_sign_up(connection, each, now) for each in sign_ups]


def _sign_up(connection: Connection, sign_up: _SignUp, now: int) -> bool:
    try:
        with connection.begin_nested():
            if sign_up.link_id is not None and not links.use(connection, sign_up.link_id, now):
                raise _Refused
            if not users.add(connection, sign_up.user):
                raise _Refused
            if sign_up.begin is not None:
                sessions.begin_many(connection, [sign_up.begin], now)
    except (_Refused, EmailInUse):
        return False
    return True

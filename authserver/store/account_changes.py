"""Changes that people make to their own account. Each is one `Change`, including everything that it ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, true, update

from ..domain import profile
from ..domain.audit import SERVER, AuditRecord
from ..domain.models import Session, User
from ..domain.outbox import NewMessage
from . import outbox, session_ends, sessions, user_claims
from . import users as stored_users
from .changes import Change
from .schema import users

PASSWORD_CHANGED = "password_changed"  # noqa: S105
"""The `revoked_reason` of authorizations that end with their sessions."""
_REQUEST_DELETION = (
    update(users)
    .where(users.c.id == bindparam("user"), users.c.credential_version == bindparam("seen"), ~users.c.disabled)
    .values(disabled=true(), delete_at=bindparam("delete_at"), credential_version=users.c.credential_version + 1)
)
_DUE = select(users).where(users.c.delete_at <= bindparam("at")).order_by(users.c.delete_at, users.c.id).limit(100)
_DELETE = delete(users).where(users.c.id == bindparam("user"), users.c.delete_at == bindparam("seen"))


@dataclass(frozen=True, slots=True)
class ReplacePassword:
    """What `replace_password` applies."""

    user_id: str
    seen_version: int
    """The credential version that the user had when the old password was found to be right."""
    password_hash: str = field(repr=False)
    keep: Session
    """The session in which the user did it, with its new values."""
    mails: Sequence[NewMessage] = ()
    """Sent if the password is replaced."""
    ended: list[bytes] = field(default_factory=list)
    """Gets the ids of the other sessions, which end."""


def replace_password(replaced: ReplacePassword) -> Change:
    """Replace the password, and end all other sessions and, by the credential version, all authorizations. The guard
    fails if the user's credential version is no longer the one that was seen, or if the user is disabled."""
    return Change(_replace_many, "users", replaced.user_id, replaced)


@dataclass(frozen=True, slots=True)
class RequestDeletion:
    """What `request_deletion` applies."""

    user_id: str
    seen_version: int
    delete_at: int
    """When the account is to be deleted (microseconds)."""
    mails: Sequence[NewMessage] = ()
    """To be sent if it is."""
    ended: list[bytes] = field(default_factory=list)
    """Gets the ids of the sessions, which all end."""


def request_deletion(request: RequestDeletion) -> Change:
    """Disable the user until the account is deleted, and end all sessions and, by the credential version, all
    authorizations. The guard fails if the user's credential version is no longer the one that was seen."""
    return Change(_request_many, "users", request.user_id, request)


def load_due_many(connection: Connection, times: Sequence[int]) -> Mapping[int, list[User]]:
    """Return the users who are to be deleted by each time (microseconds), at most 100."""
    return {at: [User(*row) for row in connection.execute(_DUE, {"at": at})] for at in times}


def delete_due(user: User) -> Change:
    """Delete a user who asked for it. The guard fails if the user has come back since, or was deleted."""
    record = AuditRecord("user_deleted", SERVER, user=user.username, subject=user.id, detail="asked for by its user")
    return Change(_delete_many, "users", user.id, user, lambda: [record])


def _request_many(connection: Connection, requests: Sequence[RequestDeletion], now: int) -> list[bool]:
    return [_request(connection, request, now) for request in requests]


def _request(connection: Connection, request: RequestDeletion, now: int) -> bool:
    row = {"user": request.user_id, "seen": request.seen_version, "delete_at": request.delete_at}
    if connection.execute(_REQUEST_DELETION, row).rowcount == 0:
        return False
    request.ended[:] = session_ends.end_of_user(connection, request.user_id, now=now)
    outbox.add_many(connection, request.mails, now)
    return True


def _delete_many(connection: Connection, due: Sequence[User], _now: int) -> list[bool]:
    rows = [{"user": user.id, "seen": user.delete_at} for user in due]
    return [connection.execute(_DELETE, row).rowcount == 1 for row in rows]


def edit_claims(user_id: str, changes: Mapping[str, Any]) -> Change:
    """Change some claims of the user, None for one that is gone. The others stay as they are, whoever changed them
    since."""
    return Change(_edit_many, "users", user_id, (user_id, changes))


def _edit_many(connection: Connection, edits: Sequence[tuple[str, Mapping[str, Any]]], _now: int) -> list[bool]:
    for user_id, changes in edits:
        before = user_claims.lock(connection, user_id)
        user_claims.replace(connection, user_id, profile.merged(before, changes))
    return [True] * len(edits)


def _replace_many(connection: Connection, changes: Sequence[ReplacePassword], now: int) -> list[bool]:
    return [_replace(connection, replaced, now) for replaced in changes]


def _replace(connection: Connection, replaced: ReplacePassword, now: int) -> bool:
    seen = replaced.seen_version
    if not stored_users.replace_password(connection, replaced.user_id, replaced.password_hash, seen=seen):
        return False
    keep = replaced.keep
    sessions.renew(connection, replace(keep, credential_version=seen + 1))
    replaced.ended[:] = session_ends.end_of_user(
        connection, replaced.user_id, keep=keep.id, reason=PASSWORD_CHANGED, now=now
    )
    outbox.add_many(connection, replaced.mails, now)
    return True

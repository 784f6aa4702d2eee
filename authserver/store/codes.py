"""Stores authorization codes. store/redemption.py decides who redeems one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ..domain.models import Authorization, Code, Interaction, User
from ..domain.record import record
from . import authorizations, interactions, session_ends
from .changes import Change, PartialMatch, execute_guarded
from .driver import run_many, select_many
from .redemption import Redeem, redeem_many
from .schema import authorizations as begun
from .schema import codes as table
from .schema import sessions, user_claims, users
from .users import claims_of, of_row

_COLUMNS = [column for column in table.c if column is not table.c.delete_at]
_WIDTH = len(_COLUMNS)
_WORDS = tuple(place for place, column in enumerate(_COLUMNS) if column.name in ("scope", "resources", "amr"))
"""The places of the columns that contain words with spaces between them."""
_BY_HASHES = (
    select(*_COLUMNS, begun.c.id, begun.c.revoked_at, users, user_claims.c.claims)
    .join(users, users.c.id == table.c.user_id)
    .join(user_claims, user_claims.c.user_id == table.c.user_id, isouter=True)
    .join(begun, begun.c.id == table.c.authorization_id, isouter=True)
    .where(table.c.hash.in_(bindparam("hashes", expanding=True)))
)
_ADD = insert(table)
_SEE = (
    update(sessions)
    .where(sessions.c.id == bindparam("key"), sessions.c.ended_at.is_(None))
    .values(seen_at=bindparam("at"), idle_expires_at=bindparam("idle_until"))
)
_FORGET = delete(table).where(table.c.hash == bindparam("key"), table.c.used_at.is_(None))
_EXISTS = select(table.c.hash).where(table.c.hash == bindparam("key"))


@record(frozen=True, slots=True)
class CodeRecord:
    code: Code
    has_active_authorization: bool
    """Whether the authorization that the code began exists, and was not revoked."""
    user: User


@record(frozen=True, slots=True, eq=False)
class _Issue:
    code: Code
    idle_expires_at: int
    interaction: Interaction | None


@record(frozen=True, slots=True, eq=False)
class _Redeem(Redeem):
    client: tuple[bytes, str] | None
    """The session and the client, if it signs the user in."""


def load_many(connection: Connection, hashes: Sequence[bytes]) -> Mapping[bytes, CodeRecord]:
    """Return the codes by their hashes, with their users and the users' claims."""
    return {row[0]: _loaded(row) for row in select_many(connection, _BY_HASHES, hashes)}


def issue(code: Code, *, idle_expires_at: int, interaction: Interaction | None) -> Change:
    """Add the code. The guard fails if its session has ended, or if something else was done in the interaction that it
    answers. It replaces an earlier code of the interaction, unless that one was redeemed. `idle_expires_at` is the
    session's, which is in use."""
    table, row = ("interactions", interaction.id) if interaction else ("sessions", code.session_id)
    return Change(_issue_many, table, row, _Issue(code, idle_expires_at, interaction))


def redeem(
    code: Code, authorization: Authorization, *, limit: int, ended: list[bytes], signs_in: bool = False
) -> Change:
    """Use the code, and begin its authorization (see `authorizations.begin`). The guard holds for one of all who
    try. With `signs_in`, the client signs the user in, and is told of the end of the session."""
    begin = authorizations.Begin(authorization, limit, None, ended)
    client = (code.session_id, code.client_id) if signs_in else None
    return Change(_redeem_many, "codes", code.hash, _Redeem(code.hash, begin, client))


def _issue_many(connection: Connection, issues: Sequence[_Issue], now: int) -> list[bool]:
    if not all([_answer(connection, issue) for issue in issues]):
        return _none_of(issues)
    seen = [{"key": issue.code.session_id, "at": now, "idle_until": issue.idle_expires_at} for issue in issues]
    if not execute_guarded(connection, _SEE, seen):
        return [False]
    run_many(connection, _ADD, [_values(issue.code) for issue in issues])
    return [True] * len(issues)


def _none_of(issues: Sequence[_Issue]) -> list[bool]:
    """Raise PartialMatch for several, so that they are repeated one by one."""
    if len(issues) > 1:
        raise PartialMatch
    return [False]


def _answer(connection: Connection, issue: _Issue) -> bool:
    """Note the code in the interaction that it answers, if there is one."""
    interaction = issue.interaction
    if interaction is None:
        return True
    answered = replace(interaction, code_hash=issue.code.hash)
    return _is_unredeemed(connection, interaction.code_hash) and interactions.advance_one(connection, answered)


def _is_unredeemed(connection: Connection, code_hash: bytes | None) -> bool:
    """Delete the code unless it was redeemed."""
    if code_hash is None:
        return True
    connection.execute(_FORGET, {"key": code_hash})
    return connection.execute(_EXISTS, {"key": code_hash}).first() is None


def _redeem_many(connection: Connection, redeems: Sequence[_Redeem], now: int) -> list[bool]:
    held = redeem_many(table, connection, redeems, now)
    clients = {redeem.client for redeem, may in zip(redeems, held, strict=True) if may and redeem.client}
    session_ends.note_clients(connection, clients)
    return held


def _loaded(row: Any) -> CodeRecord:
    id, revoked_at, *user, claims = row[_WIDTH:]
    return CodeRecord(_code(row[:_WIDTH]), id is not None and revoked_at is None, of_row(user, claims_of(claims)))


def _code(row: Any) -> Code:
    values = list(row)
    for place in _WORDS:
        values[place] = tuple(values[place].split())
    return Code(*values)


def _values(code: Code) -> dict[str, Any]:
    """Return the row. To look each field up by its column's name takes 7 us longer."""
    return {
        "hash": code.hash,
        "authorization_id": code.authorization_id,
        "client_id": code.client_id,
        "user_id": code.user_id,
        "session_id": code.session_id,
        "redirect_uri": code.redirect_uri,
        "scope": " ".join(code.scope),
        "resources": " ".join(code.resources),
        "requested_claims": code.requested_claims,
        "nonce": code.nonce,
        "code_challenge": code.code_challenge,
        "authenticated_at": code.authenticated_at,
        "amr": " ".join(code.amr),
        "credential_version": code.credential_version,
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "used_at": code.used_at,
        "delete_at": code.expires_at,
    }

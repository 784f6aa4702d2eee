"""Stores authorization codes. The guarded UPDATE here decides who redeems one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ..domain.models import SECOND, Authorization, Code, Interaction, User
from ..domain.record import record
from . import authorizations, interactions, session_ends
from .changes import Change, PartialMatch, execute_guarded
from .driver import run_many, select_many
from .rows import row_of
from .schema import authorizations as begun
from .schema import codes as table
from .schema import sessions, user_claims, users
from .users import claims_of, of_row

_KEPT = 86400 * SECOND
"""Microseconds for which a code is kept after its use: if it is used again, it ends the authorization that it began."""
_COLUMNS = [column for column in table.c if column is not table.c.delete_at]
_WIDTH = len(_COLUMNS)
_BY_HASHES = (
    select(*_COLUMNS, begun.c.id, begun.c.revoked_at, users, user_claims.c.claims)
    .join(users, users.c.id == table.c.user_id)
    .join(user_claims, user_claims.c.user_id == table.c.user_id, isouter=True)
    .join(begun, begun.c.id == table.c.authorization_id, isouter=True)
    .where(table.c.hash.in_(bindparam("hashes", expanding=True)))
)
_ADD = insert(table)
_REDEEM = (
    update(table)
    .where(table.c.hash == bindparam("key"), table.c.used_at.is_(None))
    .values(used_at=bindparam("at"), delete_at=bindparam("until"))
)
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
class _Redeem:
    code: Code
    begin: authorizations.Begin
    signs_in: bool


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
    return Change(_redeem_many, "codes", code.hash, _Redeem(code, begin, signs_in))


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
    first: dict[bytes, _Redeem] = {}
    for redeem in redeems:
        first.setdefault(redeem.code.hash, redeem)
    if not execute_guarded(connection, _REDEEM, [{"key": hash, "at": now, "until": now + _KEPT} for hash in first]):
        return [False] * len(redeems)
    begins = sorted((redeem.begin for redeem in first.values()), key=lambda begin: begin.authorization.subject)
    authorizations.begin_many(connection, begins, now)
    signing_in = {(redeem.code.session_id, redeem.code.client_id) for redeem in first.values() if redeem.signs_in}
    session_ends.note_clients(connection, signing_in)
    return [first[redeem.code.hash] is redeem for redeem in redeems]


def _loaded(row: Any) -> CodeRecord:
    values = {column.name: value for column, value in zip(_COLUMNS, row[:_WIDTH], strict=True)}
    lists = {name: tuple(values[name].split()) for name in ("scope", "resources", "amr")}
    id, revoked_at = row[_WIDTH : _WIDTH + 2]
    user = of_row(row[_WIDTH + 2 : -1], claims_of(row[-1]))
    return CodeRecord(Code(**values | lists), id is not None and revoked_at is None, user)


def _values(code: Code) -> dict[str, Any]:
    scope, resources, amr = " ".join(code.scope), " ".join(code.resources), " ".join(code.amr)
    return row_of(code, table, scope=scope, resources=resources, amr=amr, delete_at=code.expires_at)

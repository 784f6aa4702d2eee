"""Stores the devices that wait for their users. The guarded UPDATE here decides who answers one; store/redemption.py
decides who redeems its code."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, update

from ..domain.device_authorization import Polling
from ..domain.models import SECOND, Authorization, Consent, DeviceCode, Interaction, Session, User
from ..domain.record import record
from . import authorizations, consents
from .changes import Change, execute_guarded
from .driver import run_many, select_many
from .redemption import Redeem, redeem_many
from .rows import fields_of_code, row_of, words_of
from .schema import authorizations as begun
from .schema import device_codes as table
from .schema import sessions, user_claims, users
from .users import claims_of, of_row

_KEPT_EXPIRED = 600 * SECOND
"""Microseconds for which a code is kept after it has expired: by then its device has been told."""
_COLUMNS = [column for column in table.c if column is not table.c.delete_at]
_NAMES, _WIDTH = [column.name for column in _COLUMNS], len(_COLUMNS)
_BY_HASHES = (
    select(*_COLUMNS, begun.c.id, begun.c.revoked_at, users, user_claims.c.claims)
    .join(users, users.c.id == table.c.user_id, isouter=True)
    .join(user_claims, user_claims.c.user_id == table.c.user_id, isouter=True)
    .join(begun, begun.c.id == table.c.authorization_id, isouter=True)
    .where(table.c.hash.in_(bindparam("hashes", expanding=True)))
)
_FIND = select(*_COLUMNS).where(
    or_(
        table.c.hash.in_(bindparam("hashes", expanding=True)),
        table.c.user_code_mac.in_(bindparam("macs", expanding=True)),
    )
)
_ADD = insert(table)
_POLLED = (
    select(table.c.hash, table.c.poll_interval, table.c.polled_at)
    .where(table.c.hash.in_(bindparam("hashes", expanding=True)))
    .order_by(table.c.hash)
    .with_for_update()
)
_NOTE_POLL = (
    update(table)
    .where(table.c.hash == bindparam("key"))
    .values(poll_interval=bindparam("interval"), polled_at=bindparam("at"))
)
_WAITS = (table.c.hash == bindparam("key"), table.c.answered_at.is_(None), table.c.expires_at > bindparam("at"))
_HAS_SESSION = exists().where(sessions.c.id == bindparam("session"), sessions.c.ended_at.is_(None))
_ANSWER = (
    update(table)
    .where(*_WAITS, _HAS_SESSION)
    .values(
        answered_at=bindparam("at"),
        answered_in=bindparam("interaction"),
        user_id=bindparam("user"),
        authenticated_at=bindparam("signed_in_at"),
        amr=bindparam("how"),
        credential_version=bindparam("version"),
    )
)
_redeem_many = partial(redeem_many, table)


@record(frozen=True, slots=True)
class DeviceCodeRecord:
    code: DeviceCode
    has_active_authorization: bool
    """Whether the authorization that the code began exists, and was not revoked."""
    user: User | None
    """The user who allowed it."""


@record(frozen=True, slots=True, eq=False)
class _Poll:
    hash: bytes
    too_soon: list[bool] = field(default_factory=list)


@record(frozen=True, slots=True, eq=False)
class _Answer:
    code: DeviceCode
    interaction: Interaction
    session: Session
    consent: Consent | None
    """None if the user denied it."""


def load_many(connection: Connection, hashes: Sequence[bytes]) -> Mapping[bytes, DeviceCodeRecord]:
    """Return the codes by their hashes, with the users who allowed them, and the users' claims."""
    return {row[0]: _loaded(row) for row in select_many(connection, _BY_HASHES, hashes)}


def find(connection: Connection, *, hashes: Iterable[bytes], macs: Iterable[bytes]) -> list[DeviceCode]:
    """Return the codes with these hashes, or the MACs of these user codes."""
    rows = connection.execute(_FIND, {"hashes": list(hashes), "macs": list(macs)})
    return [_code(row) for row in rows]


def add(code: DeviceCode) -> Change:
    """Add the code. The guard fails if another device has the same user code."""
    return Change(_add_many, "device_codes", code.hash, code)


def poll(code: DeviceCode, too_soon: list[bool]) -> Change:
    """Note that the device polls; `too_soon` gets whether that was too soon."""
    return Change(_poll_many, "device_codes", code.hash, _Poll(code.hash, too_soon))


def allow(code: DeviceCode, interaction: Interaction, session: Session, consent: Consent) -> Change:
    """Note that the user of the session allows the device, in the interaction, and store the consent in place of an
    earlier one. The guard fails if somebody has answered already, the code has expired or the session has ended."""
    return Change(_answer_many, "device_codes", code.hash, _Answer(code, interaction, session, consent))


def deny(code: DeviceCode, interaction: Interaction, session: Session) -> Change:
    """Note that the user of the session denies it; the guard is that of `allow`."""
    return Change(_answer_many, "device_codes", code.hash, _Answer(code, interaction, session, None))


def redeem(code: DeviceCode, authorization: Authorization, *, limit: int, ended: list[bytes]) -> Change:
    """Use the code, and begin its authorization (see `authorizations.begin`). The guard holds for one of all who
    try."""
    begin = authorizations.Begin(authorization, limit, None, ended)
    return Change(_redeem_many, "device_codes", code.hash, Redeem(code.hash, begin))


def _add_many(connection: Connection, codes: Sequence[DeviceCode], _now: int) -> list[bool]:
    run_many(connection, _ADD, [_values(code) for code in codes])
    return [True] * len(codes)


def _poll_many(connection: Connection, polls: Sequence[_Poll], now: int) -> list[bool]:
    """Several polls of one device come one after the other, though they share the transaction."""
    rows = connection.execute(_POLLED, {"hashes": list({poll.hash for poll in polls})})
    before = {hash: Polling(interval, polled_at) for hash, interval, polled_at in rows}
    after = dict(before)
    for poll in polls:
        polling = after.get(poll.hash)
        poll.too_soon[:] = [polling is not None and polling.is_too_soon(now)]  # a group that was rolled back runs again
        if polling is not None:
            after[poll.hash] = polling.after(now)
    changed = [
        {"key": hash, "interval": polling.interval, "at": polling.polled_at}
        for hash, polling in after.items()
        if polling != before[hash]
    ]
    if changed:
        run_many(connection, _NOTE_POLL, changed)
    return [True] * len(polls)


def _answer_many(connection: Connection, answers: Sequence[_Answer], now: int) -> list[bool]:
    first: dict[bytes, _Answer] = {}
    for answer in answers:
        first.setdefault(answer.code.hash, answer)
    if not execute_guarded(connection, _ANSWER, [_row(answer, now) for answer in first.values()]):
        return [False] * len(answers)
    consents.put(connection, [answer.consent for answer in first.values() if answer.consent is not None])
    return [first[answer.code.hash] is answer for answer in answers]


def _row(answer: _Answer, now: int) -> dict[str, Any]:
    session = answer.session
    user_id = session.user_id if answer.consent is not None else None
    return {
        "key": answer.code.hash,
        "at": now,
        "session": session.id,
        "interaction": answer.interaction.id,
        "user": user_id,
        "signed_in_at": session.authenticated_at,
        "how": " ".join(session.amr),
        "version": session.credential_version,
    }


def _loaded(row: Any) -> DeviceCodeRecord:
    id, revoked_at = row[_WIDTH : _WIDTH + 2]
    user = row[_WIDTH + 2 : -1]
    return DeviceCodeRecord(
        _code(row), id is not None and revoked_at is None, of_row(user, claims_of(row[-1])) if user[0] else None
    )


def _code(row: Any) -> DeviceCode:
    return DeviceCode(**fields_of_code(_NAMES, row))


def _values(code: DeviceCode) -> dict[str, Any]:
    return row_of(code, table, **words_of(code), delete_at=code.expires_at + _KEPT_EXPIRED)

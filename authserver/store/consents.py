"""Stores what users allow clients."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from ..domain.models import Consent, Interaction
from . import authorizations, interactions, upsert
from .changes import Change
from .driver import select_many
from .schema import codes, device_codes, sessions
from .schema import consents as table

Pair = tuple[str, str]
"""A user's id and a client's."""
_PAIR = (table.c.user_id, table.c.client_id)
_BY_PAIRS = select(table).where(tuple_(*_PAIR).in_(bindparam("pairs", expanding=True)))
_OF_USER = select(table).where(table.c.user_id == bindparam("user"))
_FORGET = delete(table).where(table.c.user_id == bindparam("user"), table.c.client_id == bindparam("client"))
_FORGET_CODES = delete(codes).where(
    codes.c.session_id.in_(select(sessions.c.id).where(sessions.c.user_id == bindparam("user"))),
    codes.c.client_id == bindparam("client"),
    codes.c.used_at.is_(None),
)
_FORGET_DEVICE_CODES = delete(device_codes).where(
    device_codes.c.user_id == bindparam("user"),
    device_codes.c.client_id == bindparam("client"),
    device_codes.c.used_at.is_(None),
)
WITHDRAWN = "consent_withdrawn"
"""The `revoked_reason` of authorizations that ended because their user took back the client's access."""


@dataclass(frozen=True, slots=True, eq=False)
class _Agree:
    consent: Consent
    interaction: Interaction


def load_many(connection: Connection, pairs: Sequence[Pair]) -> Mapping[Pair, Consent]:
    found = [_consent(row) for row in select_many(connection, _BY_PAIRS, pairs)]
    return {_pair(consent): consent for consent in found}


def agree(consent: Consent, interaction: Interaction) -> Change:
    """Store the consent in place of an earlier one, and that its user agreed in the interaction. The guard is that of
    `interactions.advance`."""
    return Change(_agree_many, "interactions", interaction.id, _Agree(consent, interaction))


def of_user(connection: Connection, user_id: str) -> list[Consent]:
    return [_consent(row) for row in connection.execute(_OF_USER, {"user": user_id})]


def withdraw(user_id: str, client_id: str) -> Change:
    """Delete the consent, and end all that the client may do for the user: its authorizations, and its unused codes and
    device codes."""
    return Change(_withdraw_many, "authorizations", b"", (user_id, client_id))


def _withdraw_many(connection: Connection, pairs: Sequence[Pair], now: int) -> list[bool]:
    for user_id, client_id in sorted(pairs):
        authorizations.end_of_user(connection, user_id, client_id=client_id, reason=WITHDRAWN, now=now)
        for statement in (_FORGET_DEVICE_CODES, _FORGET_CODES, _FORGET):
            connection.execute(statement, {"user": user_id, "client": client_id})
    return [True] * len(pairs)


def _agree_many(connection: Connection, answers: Sequence[_Agree], _now: int) -> list[bool]:
    held = [interactions.advance_one(connection, answer.interaction) for answer in answers]
    agreed = {_pair(answer.consent): answer.consent for answer, may in zip(answers, held, strict=True) if may}
    put(connection, agreed.values())
    return held


def put(connection: Connection, agreed: Iterable[Consent]) -> None:
    """Store the consents in place of earlier ones, within another change."""
    for consent in sorted(agreed, key=_pair):
        new: Any = upsert.insert(connection, table).values(_values(consent))
        changed = {name: new.excluded[name] for name in ("scope", "claims", "resources", "granted_at")}
        connection.execute(new.on_conflict_do_update(index_elements=_PAIR, set_=changed))


def _pair(consent: Consent) -> Pair:
    return consent.user_id, consent.client_id


def _consent(row: Any) -> Consent:
    user_id, client_id, scope, claims, resources, granted_at = row
    return Consent(
        user_id, client_id, tuple(scope.split()), tuple(claims.split()), tuple(resources.split()), granted_at
    )


def _values(consent: Consent) -> dict[str, Any]:
    lists = {name: " ".join(getattr(consent, name)) for name in ("scope", "claims", "resources")}
    return lists | {"user_id": consent.user_id, "client_id": consent.client_id, "granted_at": consent.granted_at}

"""Stores what users allow clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from ..domain.models import Consent, Interaction
from . import interactions
from .changes import Change
from .schema import consents as table

Pair = tuple[str, str]
"""A user's id and a client's."""
_PAIR = (table.c.user_id, table.c.client_id)
_BY_PAIRS = select(table).where(tuple_(*_PAIR).in_(bindparam("pairs", expanding=True)))


@dataclass(frozen=True, slots=True, eq=False)
class _Agree:
    consent: Consent
    interaction: Interaction


def load_many(connection: Connection, pairs: Sequence[Pair]) -> Mapping[Pair, Consent]:
    rows = connection.execute(_BY_PAIRS, {"pairs": list(pairs)})
    return {(row.user_id, row.client_id): _consent(row) for row in rows}


def agree(consent: Consent, interaction: Interaction) -> Change:
    """Store the consent in place of an earlier one, and that its user agreed in the interaction. The guard is that of
    `interactions.advance`."""
    return Change(_agree_many, "interactions", interaction.id, _Agree(consent, interaction))


def _agree_many(connection: Connection, answers: Sequence[_Agree], _now: int) -> list[bool]:
    held = [interactions.advance_one(connection, answer.interaction) for answer in answers]
    agreed = {_pair(answer.consent): answer.consent for answer, may in zip(answers, held, strict=True) if may}
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    for _, consent in sorted(agreed.items()):
        new: Any = dialect.insert(table).values(_values(consent))
        changed = {name: new.excluded[name] for name in ("scope", "claims", "resources", "granted_at")}
        connection.execute(new.on_conflict_do_update(index_elements=_PAIR, set_=changed))
    return held


def _pair(consent: Consent) -> Pair:
    return consent.user_id, consent.client_id


def _consent(row: Any) -> Consent:
    scope, claims, resources = (tuple(words.split()) for words in (row.scope, row.claims, row.resources))
    return Consent(row.user_id, row.client_id, scope, claims, resources, row.granted_at)


def _values(consent: Consent) -> dict[str, Any]:
    lists = {name: " ".join(getattr(consent, name)) for name in ("scope", "claims", "resources")}
    return lists | {"user_id": consent.user_id, "client_id": consent.client_id, "granted_at": consent.granted_at}

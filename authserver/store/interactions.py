"""Stores interactions: authorization requests that wait for their users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, true, update

from ..domain.models import Interaction
from .changes import Change
from .rows import row_of
from .schema import codes
from .schema import interactions as table

_WIDTH = len(table.c)
_BY_IDS = (
    select(table, codes.c.used_at)
    .join(codes, codes.c.hash == table.c.code_hash, isouter=True)
    .where(table.c.id.in_(bindparam("ids", expanding=True)))
)
_NEXT_REVISION = {"revision": table.c.revision + 1}
_NOTE_SIGN_IN = (
    update(table)
    .where(table.c.id == bindparam("key"))
    .values(session_id=bindparam("session"), signed_in=true(), chosen=true(), **_NEXT_REVISION)
)
_PROGRESS = ("session_id", "signed_in", "chosen", "agreed", "denied", "code_hash")
_ADVANCE = (
    update(table)
    .where(table.c.id == bindparam("key"), table.c.revision == bindparam("seen"))
    .values({name: bindparam(f"new_{name}") for name in _PROGRESS} | _NEXT_REVISION)
)


@dataclass(frozen=True, slots=True)
class Waiting:
    interaction: Interaction
    is_redeemed: bool
    """Whether the code that answered it was redeemed."""


def load_many(connection: Connection, ids: Sequence[bytes]) -> Mapping[bytes, Waiting]:
    rows = connection.execute(_BY_IDS, {"ids": list(ids)})
    return {row[0]: Waiting(Interaction(*row[:_WIDTH]), row.used_at is not None) for row in rows}


def begin(interaction: Interaction) -> Change:
    return Change(begin_many, "interactions", interaction.id, interaction)


def advance(interaction: Interaction) -> Change:
    """Write what its user has done. The guard fails if the row has another revision than `interaction`."""
    return Change(_advance_many, "interactions", interaction.id, interaction)


def advance_one(connection: Connection, interaction: Interaction) -> bool:
    """Like `advance`, within another change: returns whether the guard held."""
    values = {f"new_{name}": getattr(interaction, name) for name in _PROGRESS}
    row = {"key": interaction.id, "seen": interaction.revision} | values
    return connection.execute(_ADVANCE, row).rowcount == 1


def note_sign_in(connection: Connection, id: bytes, session_id: bytes) -> None:
    """Note that the user of this session signed in. This is true whatever else has happened in the meantime."""
    connection.execute(_NOTE_SIGN_IN, {"key": id, "session": session_id})


def begin_many(connection: Connection, interactions: Sequence[Interaction], _now: int) -> list[bool]:
    if interactions:
        connection.execute(insert(table), [row_of(interaction, table) for interaction in interactions])
    return [True] * len(interactions)


def _advance_many(connection: Connection, interactions: Sequence[Interaction], _now: int) -> list[bool]:
    return [advance_one(connection, interaction) for interaction in interactions]

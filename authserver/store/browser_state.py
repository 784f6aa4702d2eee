"""Loads everything that a step in a browser is decided from, for many browsers at once."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ..domain.models import Client, Consent
from ..domain.record import record
from . import clients, consents, interactions, sessions, sign_ins
from .interactions import Waiting
from .sessions import SignedIn
from .sign_ins import SignInKey, SignInRecord


@record(frozen=True, slots=True)
class BrowserKey:
    session_hash: bytes | None
    """The hash of the session cookie's secret."""
    interaction_id: bytes | None = None
    client_id: str | None = None
    """The client whose consent is needed, if there is no interaction yet."""
    sign_in: SignInKey | None = None
    """The user who signs in now."""


@record(frozen=True, slots=True)
class BrowserState:
    signed_in: SignedIn | None
    waiting: Waiting | None
    client: Client | None
    """The client of the interaction."""
    consent: Consent | None
    """What the user of the session allows the client."""
    sign_in: SignInRecord | None


def load_many(connection: Connection, keys: Sequence[BrowserKey]) -> Mapping[BrowserKey, BrowserState]:
    hashes = [key.session_hash for key in keys if key.session_hash]
    signed_in = sessions.load_many(connection, hashes) if hashes else {}
    ids = [key.interaction_id for key in keys if key.interaction_id]
    waiting = interactions.load_many(connection, ids) if ids else {}
    asking = list({each.interaction.client_id for each in waiting.values()})
    known = clients.load_many(connection, asking) if asking else {}
    sign_in_keys = [key.sign_in for key in keys if key.sign_in]
    signing_in = sign_ins.load_many(connection, sign_in_keys) if sign_in_keys else {}
    pairs = {key: _pair(key, signed_in, waiting) for key in keys}
    agreed = consents.load_many(connection, [pair for pair in pairs.values() if pair]) if any(pairs.values()) else {}
    states = {}
    for key, pair in pairs.items():
        each = waiting.get(key.interaction_id or b"")
        states[key] = BrowserState(
            signed_in.get(key.session_hash or b""),
            each,
            known.get(each.interaction.client_id) if each else None,
            agreed.get(pair) if pair else None,
            signing_in.get(key.sign_in) if key.sign_in else None,
        )
    return states


def _pair(
    key: BrowserKey, signed_in: Mapping[bytes, SignedIn], waiting: Mapping[bytes, Waiting]
) -> consents.Pair | None:
    session, each = signed_in.get(key.session_hash or b""), waiting.get(key.interaction_id or b"")
    client_id = each.interaction.client_id if each else key.client_id
    return (session.session.user_id, client_id) if session and client_id else None

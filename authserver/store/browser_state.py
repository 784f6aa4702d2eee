"""Loads everything that decides a browser's request, for many requests at once."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from ..domain.models import Client, Consent, DeviceCode
from ..domain.record import record
from . import account_data, clients, consents, device_codes, interactions, links, sessions, sign_ins
from .account_data import AccountData, AccountKey
from .interactions import Waiting
from .links import LinkRecord
from .sessions import SignedIn
from .sign_ins import SignInKey, SignInRecord

_NO_PAIR = ("", "")


@record(frozen=True, slots=True, eq=False)  # compared by identity: to hash its fields four times takes a microsecond
class BrowserKey:
    session_hash: bytes | None
    """The hash of the session cookie's secret."""
    interaction_id: bytes | None = None
    client_id: str | None = None
    """The client whose consent is needed, if there is no interaction yet."""
    sign_in: SignInKey | None = None
    """The user who signs in now."""
    link_id: bytes | None = None
    """The link that the person has opened."""
    account: AccountKey | None = None
    """What of the account of the session's user is needed."""
    user_code_macs: tuple[bytes, ...] = ()
    """The MACs of the user code that was typed."""


@record(frozen=True, slots=True)
class BrowserState:
    signed_in: SignedIn | None
    waiting: Waiting | None
    client: Client | None
    """The client of the interaction."""
    consent: Consent | None
    """What the user of the session allows the client."""
    sign_in: SignInRecord | None
    link: LinkRecord | None
    account: AccountData | None = None
    device: DeviceCode | None = None
    """The device of the interaction, or whose code was typed."""


def load_many(connection: Connection, keys: Sequence[BrowserKey]) -> Mapping[BrowserKey, BrowserState]:
    hashes = [key.session_hash for key in keys if key.session_hash]
    signed_in = sessions.load_many(connection, hashes) if hashes else {}
    link_ids = [key.link_id for key in keys if key.link_id]
    opened = links.load_many(connection, link_ids) if link_ids else {}
    ids = [id for id in (_interaction_id(key, opened) for key in keys) if id]
    waiting = interactions.load_many(connection, ids) if ids else {}
    asking = list({each.interaction.client_id for each in waiting.values()})
    clients_by_id = clients.load_many(connection, asking) if asking else {}
    sign_in_keys = [key.sign_in for key in keys if key.sign_in]
    signing_in = sign_ins.load_many(connection, sign_in_keys) if sign_in_keys else {}
    pairs = {key: _pair(key, signed_in, waiting) for key in keys}
    agreed = consents.load_many(connection, [pair for pair in pairs.values() if pair]) if any(pairs.values()) else {}
    devices = _devices(connection, keys, waiting.values())
    states = {}
    for key, pair in pairs.items():
        each = waiting.get(_interaction_id(key, opened) or b"")
        states[key] = BrowserState(
            signed_in.get(key.session_hash or b""),
            each,
            clients_by_id.get(each.interaction.client_id) if each else None,
            agreed.get(pair) if pair else None,
            signing_in.get(key.sign_in) if key.sign_in else None,
            opened.get(key.link_id or b""),
            _account(connection, key, signed_in),
            _device(key, each, devices),
        )
    return states


def load_for_client_many(connection: Connection, keys: Sequence[BrowserKey]) -> Mapping[BrowserKey, BrowserState]:
    """Like `load_many`, for keys of a session and a client alone, as authorization requests have: for each of them this
    takes 3 us less."""
    hashes = [key.session_hash for key in keys if key.session_hash]
    signed_in = sessions.load_many(connection, hashes) if hashes else {}
    pairs = {
        key: (each.session.user_id, key.client_id)
        for key in keys
        if key.client_id and (each := signed_in.get(key.session_hash or b""))
    }
    agreed = consents.load_many(connection, list(pairs.values())) if pairs else {}
    return {
        key: BrowserState(
            signed_in.get(key.session_hash or b""), None, None, agreed.get(pairs.get(key, _NO_PAIR)), None, None
        )
        for key in keys
    }


def _interaction_id(key: BrowserKey, opened: Mapping[bytes, LinkRecord]) -> bytes | None:
    """Return the interaction of the key, or the one in which the key's link was asked for."""
    record = opened.get(key.link_id or b"")
    return key.interaction_id or (record.link.interaction_id if record else None)


def _devices(connection: Connection, keys: Iterable[BrowserKey], waiting: Iterable[Waiting]) -> list[DeviceCode]:
    macs = [mac for key in keys for mac in key.user_code_macs]
    hashes = [each.interaction.device_code_hash for each in waiting if each.interaction.device_code_hash]
    return device_codes.find(connection, hashes=hashes, macs=macs) if macs or hashes else []


def _device(key: BrowserKey, waiting: Waiting | None, devices: Iterable[DeviceCode]) -> DeviceCode | None:
    hash = waiting.interaction.device_code_hash if waiting else None
    return next((code for code in devices if code.hash == hash or code.user_code_mac in key.user_code_macs), None)


def _account(connection: Connection, key: BrowserKey, signed_in: Mapping[bytes, SignedIn]) -> AccountData | None:
    session = signed_in.get(key.session_hash or b"")
    return account_data.load(connection, key.account, session.session.user_id) if session and key.account else None


def _pair(
    key: BrowserKey, signed_in: Mapping[bytes, SignedIn], waiting: Mapping[bytes, Waiting]
) -> consents.Pair | None:
    session, each = signed_in.get(key.session_hash or b""), waiting.get(key.interaction_id or b"")
    client_id = each.interaction.client_id if each else key.client_id
    return (session.session.user_id, client_id) if session and client_id else None

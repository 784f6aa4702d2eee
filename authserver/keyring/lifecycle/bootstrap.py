"""Creates the keys that a new server starts with."""

from collections.abc import Callable
from dataclasses import replace

from ...domain.algorithms import DEFAULT
from ...domain.audit import SERVER
from ...store import clients, events, signing_keys
from ...store.database import Connection
from ..key_store import KeyStore
from .recording import key_changes, key_record
from .refresh_keys import new_refresh_key


def create_missing(
    connection: Connection,
    keys: KeyStore,
    *,
    now: int,
    max_token_ttl: int,
    new_key: Callable[[], bytes],
    actor: str = SERVER,
) -> None:
    """Create whichever of these is missing: an active and a pending key of the default algorithm, and a refresh-token
    key.

    The first signing key signs at once, since nobody can have fetched an older key set; every later key is first
    published for the lead time.
    """
    state = signing_keys.load(connection)
    lifetimes = (key.max_token_ttl for key in state.signing_keys if key.state != "removed")
    longest = max(max_token_ttl, clients.longest_token_ttl(connection), *lifetimes)
    present = {key.state for key in state.signing_keys if key.alg == DEFAULT}
    for missing, activated_at in (("active", now), ("pending", None)):
        if missing not in present:
            made = keys.generate(DEFAULT, now=now, max_token_ttl=longest)
            key = replace(made, state=missing, activated_at=activated_at)
            signing_keys.add(connection, key)
            events.add(connection, now, key_changes(actor, (), (key,)))
    if not state.refresh_keys:
        refresh_key = new_refresh_key(keys.keks, new_key(), now=now, active_at=now)
        signing_keys.add_refresh_key(connection, refresh_key)
        events.add(connection, now, [key_record("refresh_key_created", actor, id=refresh_key.id)])

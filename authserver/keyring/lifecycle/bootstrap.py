"""Creates the keys that a new server starts with."""

from collections.abc import Callable
from dataclasses import replace

from ...domain.algorithms import DEFAULT
from ...store import clients, signing_keys
from ...store.database import Connection
from ..key_store import KeyStore
from .refresh_keys import new_refresh_key


def create_missing(
    connection: Connection, keys: KeyStore, *, now: int, max_token_ttl: int, new_key: Callable[[], bytes]
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
            signing_keys.add(connection, replace(made, state=missing, activated_at=activated_at))
    if not state.refresh_keys:
        signing_keys.add_refresh_key(connection, new_refresh_key(keys.keks, new_key(), now=now, active_at=now))

"""Creates the keys that a new server starts with."""

from collections.abc import Callable, Collection
from dataclasses import replace

from ...domain.algorithms import DEFAULT
from ...domain.audit import SERVER
from ...domain.errors import Refused
from ...domain.key_schedule import Keys, algorithms_in_use
from ...store import clients, events, signing_keys
from ...store.database import Connection
from ..key_store import KeyStore
from .recording import key_changes, key_record
from .refresh_keys import new_refresh_key

_NOT_NEW = """This server has keys already, which verifiers may have fetched: a key of {0} must be published before it
signs. It is created when a client uses {0}, for example by:

    authserver client update <client-id> --id-token-alg {0}"""


def create_missing(
    connection: Connection,
    keys: KeyStore,
    *,
    now: int,
    max_token_ttl: int,
    new_key: Callable[[], bytes],
    actor: str = SERVER,
    algs: Collection[str] = (),
) -> None:
    """Create whichever of these is missing: an active and a pending key of the default algorithm and, on a new server,
    of each of `algs`; and a refresh-token key. Raises Refused if `algs` are not those of an existing server.

    The first signing keys sign at once, since nobody can have fetched an older key set; every later key is first
    published for the lead time.
    """
    state = signing_keys.load(connection)
    _check_algorithms(state.signing_keys, algs)
    lifetimes = (key.max_token_ttl for key in state.signing_keys if key.state != "removed")
    longest = max(max_token_ttl, clients.longest_token_ttl(connection), *lifetimes)
    for alg in (DEFAULT,) if state.signing_keys else dict.fromkeys((DEFAULT, *algs)):
        present = {key.state for key in state.signing_keys if key.alg == alg}
        for missing, activated_at in (("active", now), ("pending", None)):
            if missing not in present:
                made = keys.generate(alg, now=now, max_token_ttl=longest)
                key = replace(made, state=missing, activated_at=activated_at)
                signing_keys.add(connection, key)
                events.add(connection, now, key_changes(actor, (), (key,)))
    if not state.refresh_keys:
        refresh_key = new_refresh_key(keys.keks, new_key(), now=now, active_at=now)
        signing_keys.add_refresh_key(connection, refresh_key)
        events.add(connection, now, [key_record("refresh_key_created", actor, id=refresh_key.id)])


def _check_algorithms(existing: Keys, algs: Collection[str]) -> None:
    missing = sorted({*algs} - {DEFAULT} - algorithms_in_use(existing))
    if existing and missing:
        raise Refused(_NOT_NEW.format(missing[0]))

"""The transactions that change keys: each one locks, reads, decides, and writes only rows that are still as it read
them.

A change may be killed at any step, run by many nodes at once, and repeated. New keys are generated before the
transaction, because that takes long.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...domain.errors import ChangedMeanwhile, Unavailable
from ...domain.key_schedule import Keys
from ...domain.key_transitions import Make
from ...domain.models import SigningKey
from ...store import events, signing_keys
from ...store.database import Connection, Database
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys, is_wrapped
from ..key_store import KeyStore
from . import rewrapping
from .recording import key_changes, key_record

Decide = Callable[[KeyState, int, Make], Keys]
"""Takes the state of the keys, the time in microseconds and a function that makes keys; returns the rows to write.
Raises Refused."""
Change = Callable[[Connection], object]
_CHANGED = "The key {} was changed by another command: nothing was written. Try again."
_REWRAPPED = "The key-encryption key was changed by another command: nothing was written. Try again."


@dataclass(frozen=True, slots=True)
class Transactions:
    database: Database
    open_key_store: Callable[[], KeyStore]
    """Reads the key-encryption keys again each time, so that a new one wraps as soon as its file exists."""
    max_token_ttl: int
    """The longest lifetime of a token under this process's settings, in seconds."""
    now: Callable[[], int]
    """Microseconds since the epoch."""
    actor: str
    """Who changes the keys, for the audit trail."""

    def read_state(self) -> KeyState:
        with self.database.begin() as connection:
            return signing_keys.load(connection)

    def commit(self, decide: Decide, algs: Iterable[str] = (), before: Change | None = None) -> Keys:
        """Write what `decide` returns, in one transaction, and return it.

        `algs` lists the algorithm of each key that `decide` will need. `before` runs first in the same transaction, and
        `decide` sees its effect. Raises what these two raise, and Unavailable."""
        with self.making(algs) as make, self.exclusive(before) as (connection, state, now):
            changed = decide(state, now, make)
            self.write(connection, now, state.signing_keys, changed)
        self.destroy(state.signing_keys, changed)
        return changed

    @contextmanager
    def exclusive(self, before: Change | None = None) -> Iterator[tuple[Connection, KeyState, int]]:
        """Run a transaction that holds the lock on all keys; yields its connection, the state of the keys, and the time
        in microseconds. Raises ChangedMeanwhile if the key-encryption key was replaced in the meantime."""
        with self.database.begin() as connection:
            signing_keys.lock(connection)
            if before:
                before(connection)
            state = signing_keys.load(connection)
            yield connection, state, self.now()
            self._check_wrapping(state, signing_keys.load(connection))

    @contextmanager
    def making(self, algs: Iterable[str]) -> Iterator[Make]:
        """Yield a function that makes new keys. Keys for `algs` are generated now, others while the transaction waits.
        Unused keys are destroyed, unless the commit's outcome is unknown."""
        if algs:
            self.checked_keks()
        store, made = self.open_key_store(), list[SigningKey]()

        def generate(alg: str) -> SigningKey:
            made.append(store.generate(alg, now=self.now(), max_token_ttl=self.max_token_ttl))
            return made[-1]

        def make(alg: str) -> SigningKey:
            return next((spare.pop(at) for at, key in enumerate(spare) if key.alg == alg), None) or generate(alg)

        try:
            spare = [generate(alg) for alg in algs]
            yield make
        except ChangedMeanwhile:  # so nothing was written
            raise
        except Unavailable:
            made.clear()  # the COMMIT may have succeeded although its response was lost
            raise
        finally:
            if any(not is_wrapped(key.wrapped or "") for key in made):
                written = {key.kid for key in self.read_state().signing_keys}
                store.destroy(key.wrapped for key in made if key.kid not in written)

    def destroy(self, before: Keys, changed: Keys) -> None:
        """Destroy the private keys that `changed` no longer refers to. Call it after the commit: if the commit then
        failed, a key would be left that cannot sign."""
        gone = {key.kid for key in changed if key.wrapped is None}
        self.open_key_store().destroy(key.wrapped for key in before if key.kid in gone)

    def write(self, connection: Connection, now: int, keys: Keys, changed: Keys) -> None:
        """Insert or update the rows of `changed`, and record that. Raises ChangedMeanwhile if a row in the database
        differs from `keys`."""
        by_kid = {key.kid: key for key in keys}
        for key in changed:
            if key.kid not in by_kid:
                signing_keys.add(connection, key)
            elif not signing_keys.change(connection, by_kid[key.kid], key):
                raise ChangedMeanwhile(_CHANGED.format(key.kid))
        events.add(connection, now, key_changes(self.actor, keys, changed))

    def record(self, connection: Connection, now: int, event: str, **fields: object) -> None:
        """Add an event of the keys to the audit trail."""
        events.add(connection, now, [key_record(event, self.actor, **fields)])

    def checked_keks(self) -> KeyEncryptionKeys:
        """Return the key-encryption keys. Raises Misconfigured if they do not unwrap this database's keys: no running
        server could then unwrap what they wrap."""
        keks, state = self.open_key_store().keks, self.read_state()
        for key in state.signing_keys:
            if key.wrapped and is_wrapped(key.wrapped):
                keks.unwrap(key.kid, key.wrapped)
        for refresh_key in state.refresh_keys:
            keks.unwrap(refresh_key.id, refresh_key.wrapped)
        if state.subject_key:
            keks.unwrap(state.subject_key.id, state.subject_key.wrapped)
        return keks

    def _check_wrapping(self, before: KeyState, after: KeyState) -> None:
        """Another process may have rewrapped the keys and deleted the old key-encryption key: anything wrapped under it
        now would be lost."""
        keks = self.open_key_store().keks
        if rewrapping.wrapped_by_older(after, keks) - rewrapping.wrapped_by_older(before, keks):
            raise ChangedMeanwhile(_REWRAPPED)

"""How the keys are changed: each change is one transaction that locks, reads, decides and writes under guards.

It can be killed at any step, run by many nodes at once, and run again. New keys are generated before the transaction,
because that takes long.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...domain.errors import ChangedMeanwhile, Unavailable
from ...domain.key_schedule import Keys
from ...domain.key_transitions import Make
from ...domain.models import SigningKey
from ...store import signing_keys
from ...store.database import Connection, Database
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys, is_wrapped
from ..key_store import KeyStore
from . import rewrapping

Decide = Callable[[KeyState, int, Make], Keys]
"""From the state of the keys, the time in microseconds and a maker of keys to the rows to write. Raises Refused."""
Change = Callable[[Connection], object]
_CHANGED = "The key {} was changed by another command: nothing was written. Try again."
_REWRAPPED = "The key-encryption key was changed by another command: nothing was written. Try again."


@dataclass(frozen=True, slots=True)
class Transactions:
    database: Database
    open_key_store: Callable[[], KeyStore]
    """Reads the key-encryption keys again each time, so that a new one wraps as soon as its file exists."""
    max_token_ttl: int
    """Seconds: the longest lifetime of a token by this process's settings."""
    now: Callable[[], int]
    """Microseconds since the epoch."""

    def read_state(self) -> KeyState:
        with self.database.begin() as connection:
            return signing_keys.load(connection)

    def commit(self, decide: Decide, algs: Iterable[str] = (), before: Change | None = None) -> Keys:
        """Write what `decide` returns, in one transaction, and return it.

        `algs` names the algorithm of each key that `decide` will need. `before` runs first in the same transaction, and
        `decide` sees its effect. Raises what these two raise, and Unavailable."""
        with self.making(algs) as make, self.exclusive(before) as (connection, state, now):
            changed = decide(state, now, make)
            write(connection, state.signing_keys, changed)
        self.destroy(state.signing_keys, changed)
        return changed

    @contextmanager
    def exclusive(self, before: Change | None = None) -> Iterator[tuple[Connection, KeyState, int]]:
        """A transaction that alone may change keys, with the state that it found and the time. Raises ChangedMeanwhile
        if the key-encryption key was replaced in the meantime."""
        with self.database.begin() as connection:
            signing_keys.lock(connection)
            if before:
                before(connection)
            state = signing_keys.load(connection)
            yield connection, state, self.now()
            self._check_wrapping(state, signing_keys.load(connection))

    @contextmanager
    def making(self, algs: Iterable[str]) -> Iterator[Make]:
        """A maker of new keys. Keys of `algs` are generated at once; others only while the transaction waits. Unused
        keys are destroyed, unless the commit's outcome is unknown."""
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
        """Destroy the private parts that `changed` gave up. Call it after the commit: before it, a change that fails
        would leave a key that cannot sign."""
        gone = {key.kid for key in changed if key.wrapped is None}
        self.open_key_store().destroy(key.wrapped for key in before if key.kid in gone)

    def checked_keks(self) -> KeyEncryptionKeys:
        """The key-encryption keys. Raises Misconfigured if they are not those of this database: no running server could
        unwrap what they wrap."""
        keks, state = self.open_key_store().keks, self.read_state()
        for key in state.signing_keys:
            if key.wrapped and is_wrapped(key.wrapped):
                keks.unwrap(key.kid, key.wrapped)
        for refresh_key in state.refresh_keys:
            keks.unwrap(refresh_key.id, refresh_key.wrapped)
        return keks

    def _check_wrapping(self, before: KeyState, after: KeyState) -> None:
        """After a rewrap by another process the old key-encryption key may be gone, with whatever it wraps now."""
        keks = self.open_key_store().keks
        if rewrapping.wrapped_by_older(after, keks) - rewrapping.wrapped_by_older(before, keks):
            raise ChangedMeanwhile(_REWRAPPED)


def write(connection: Connection, keys: Keys, changed: Keys) -> None:
    """Insert or update the rows of `changed`. Raises ChangedMeanwhile if a row is not as it is in `keys`."""
    known = {key.kid: key for key in keys}
    for key in changed:
        if key.kid not in known:
            signing_keys.add(connection, key)
        elif not signing_keys.change(connection, known[key.kid], key):
            raise ChangedMeanwhile(_CHANGED.format(key.kid))

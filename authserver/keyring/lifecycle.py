"""Applies changes of the keys' state to a database: what the schedule says is due, and what an operator asks for.

Every change is one transaction that locks, reads, judges anew and writes under guards: so it can be killed at any step,
run twice at once and by many nodes, and run again. New keys are made before the transaction, because that takes long.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..domain import key_transitions
from ..domain.errors import Refused, Unavailable
from ..domain.key_schedule import KeyPolicy, Keys, Transition, in_state, promotable_at, transitions
from ..domain.key_transitions import Make
from ..domain.models import SigningKey
from ..store import signing_keys
from ..store.database import Connection, Database
from .first import new_signing_key
from .sealing import KeyEncryptionKeys

Decide = Callable[[Keys, int, Make], Keys]
"""The keys, now in microseconds, a maker of keys -> the rows to write. Raises Refused."""


class TooEarly(Refused):
    """The pending key has not been published for the lead time: verifiers may not have it before `possible_at`."""

    def __init__(self, pending: SigningKey, possible_at: int) -> None:
        super().__init__(f"The pending key {pending.kid} cannot be promoted yet.")
        self.pending, self.possible_at = pending, possible_at


@dataclass(frozen=True, slots=True)
class Lifecycle:
    database: Database
    keks: Callable[[], KeyEncryptionKeys]
    """Reads the key-encryption keys anew, so that a new one seals as soon as it is there."""
    policy: KeyPolicy
    max_token_ttl: int
    """Seconds: the longest lifetime of a token by this process's settings."""
    now: Callable[[], int]
    """Microseconds since the epoch."""

    def read(self) -> Keys:
        with self.database.begin() as connection:
            return signing_keys.load(connection).signing_keys

    def run_due(self) -> list[Transition]:
        """Make the state right for now. Returns what was done; what another process did first is not in it."""
        done: list[Transition] = []
        while steps := transitions(self.read(), self.policy, self.now()):
            if self._commit(self._still_due(steps[0]), makes=steps[0].change in ("announce", "promote")):
                done.append(steps[0])
        return done

    def promote(self, alg: str, *, emergency: bool = False) -> Keys:
        """The pending key signs from now on. Returns the rows that changed. Raises TooEarly, unless `emergency`, before it
        has been published for the lead time, and Refused if another process promoted it meanwhile."""
        seen = in_state(self.read(), alg, "pending")
        self._check_promotable(seen, self.now(), emergency)

        def promote(keys: Keys, now: int, make: Make) -> Keys:
            pending = in_state(keys, alg, "pending")
            if seen and (pending is None or pending.kid != seen.kid):
                # Two emergencies at once are one: the second must not promote a key that nobody has fetched.
                raise Refused(f"Another command was first: {seen.kid} is pending no more. See: authserver keys list")
            self._check_promotable(pending, now, emergency)
            return key_transitions.promoted(keys, alg, now, make)

        return self._commit(promote, makes=1)

    def _still_due(self, step: Transition) -> Decide:
        def decide(keys: Keys, now: int, make: Make) -> Keys:
            due = step in transitions(keys, self.policy, now)
            return key_transitions.apply(keys, step, now, make) if due else ()

        return decide

    def _check_promotable(self, pending: SigningKey | None, now: int, emergency: bool) -> None:
        if pending is None:
            raise Refused("There is no pending key. Announce one with:\n\n    authserver keys rotate --due")
        possible_at = promotable_at(pending, self.policy)
        if now < possible_at and not emergency:
            raise TooEarly(pending, possible_at)

    def _commit(self, decide: Decide, makes: int) -> Keys:
        """One transaction; returns the rows that were written. Raises what `decide` raises, and Unavailable."""
        make = self._maker(makes) if makes else self._make
        with self.database.begin() as connection:
            signing_keys.lock(connection)
            keys = signing_keys.load(connection).signing_keys
            changed = decide(keys, self.now(), make)
            _write(connection, keys, changed)
        return changed

    def _maker(self, count: int) -> Make:
        """Gives `count` keys that are made here and now; more only while the transaction waits. Raises Misconfigured if
        the key-encryption keys are not those of this database: running servers could not open what they seal."""
        keks = self.keks()
        for key in self.read():
            if key.sealed:
                keks.open(key.kid, key.sealed)
        spare = [self._make("RS256") for _ in range(count)]
        return lambda alg: spare.pop() if spare and spare[-1].alg == alg else self._make(alg)

    def _make(self, alg: str) -> SigningKey:
        return new_signing_key(self.keks(), alg, "pending", now=self.now(), max_token_ttl=self.max_token_ttl)


def _write(connection: Connection, keys: Keys, changed: Keys) -> None:
    known = {key.kid: key for key in keys}
    for key in changed:
        if key.kid not in known:
            signing_keys.add(connection, key)
        elif not signing_keys.change(connection, known[key.kid], key):
            raise Unavailable(f"The key {key.kid} was changed by somebody else meanwhile: nothing was written.")

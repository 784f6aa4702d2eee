"""Applies changes of the keys' state to a database: what the schedule says is due, and what an operator asks for.

Every change is one transaction that locks, reads, judges anew and writes under guards: so it can be killed at any step,
run twice at once and by many nodes, and run again. New keys are made before the transaction, because that takes long.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from joserfc.jwk import RSAKey

from ..domain import key_transitions, ring_schedule
from ..domain.errors import Refused, Unavailable
from ..domain.key_schedule import KeyPolicy, Keys, Transition, in_state, promotable_at, transitions
from ..domain.key_transitions import Make
from ..domain.models import RingKey, SigningKey
from ..store import ring_keys, signing_keys
from ..store.database import Connection, Database
from ..store.signing_keys import KeyState
from . import rewrapping, ring
from .first import new_signing_key, sealed_signing_key
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
    new_key: Callable[[], bytes]
    """32 random bytes, for the ring."""

    def read(self) -> Keys:
        return self.read_state().signing_keys

    def read_state(self) -> KeyState:
        with self.database.begin() as connection:
            return signing_keys.load(connection)

    def is_due(self, state: KeyState) -> bool:
        """Whether `run_due` would do something."""
        now = self.now()
        return bool(transitions(state.signing_keys, self.policy, now)) or ring_schedule.has_late_logins(state.ring, now)

    def run_due(self) -> list[Transition]:
        """Make the state right for now. Returns what was done; what another process did first is not in it."""
        done: list[Transition] = []
        while steps := transitions(self.read(), self.policy, self.now()):
            if self._commit(self._still_due(steps[0]), makes=steps[0].change in ("announce", "promote")):
                done.append(steps[0])
        if ring_schedule.has_late_logins(self.read_state().ring, self.now()):
            with self._alone() as (connection, _, now):
                ring_keys.end_logins(connection, now)
        return done

    def promote(self, alg: str, *, emergency: bool = False) -> Transition:
        """The pending key signs from now on. Raises TooEarly, unless `emergency`, before it has been published for the
        lead time, and Refused if another process promoted it meanwhile."""
        step = self.promotion(self.read(), alg, emergency=emergency)

        def promote(keys: Keys, now: int, make: Make) -> Keys:
            if step != self.promotion(keys, alg, emergency=True):
                # Two emergencies at once are one: the second must not promote a key that nobody has fetched.
                raise Refused(f"Another command was first: {step.kid} is pending no more. See: authserver keys list")
            return key_transitions.apply(keys, step, now, make)

        self._commit(promote, makes=1)
        return step

    def promotion(self, keys: Keys, alg: str, *, emergency: bool = False) -> Transition:
        """What `promote` would do with these keys. Raises the same."""
        pending, now = in_state(keys, alg, "pending"), self.now()
        if pending is None:
            raise Refused("There is no pending key. Announce one with:\n\n    authserver keys rotate --due")
        if now < promotable_at(pending, self.policy) and not emergency:
            raise TooEarly(pending, promotable_at(pending, self.policy))
        return Transition("promote", alg, pending.kid)

    def revoke(self, kid: str) -> Keys:
        """`kid` is out of the JWKS at once. Returns the rows that changed; none if it was revoked before."""
        return self._commit(lambda keys, now, make: key_transitions.revoked(keys, kid, now, make), makes=1)

    def revoke_all(self) -> tuple[Keys, int]:
        """Replace every signing key and the ring; end every login. Returns the rows that changed, and how many logins
        ended."""
        make, keks = self._maker(2), self._keks_in_use()
        with self._alone() as (connection, state, now):
            changed = key_transitions.all_revoked(state.signing_keys, now, make)
            _write(connection, state.signing_keys, changed)
            return changed, ring.replace(connection, keks, self.new_key(), now)

    def import_key(self, private: RSAKey) -> Keys:
        """Announce that key, and withdraw the one that was pending. Returns the rows that changed. Raises Refused if
        its `kid` was ever used here."""
        key = sealed_signing_key(
            self._keks_in_use(), private, "RS256", "pending", now=self.now(), max_token_ttl=self.max_token_ttl
        )

        def announce(keys: Keys, now: int, make: Make) -> Keys:
            check_unknown(keys, key.kid)
            return key_transitions.imported(keys, key, now)

        return self._commit(announce)

    def rotate_ring(self) -> RingKey:
        """Announce a new key for the refresh tokens of new logins. Raises RingKeyWaits."""
        keks = self._keks_in_use()
        with self._alone() as (connection, state, now):
            return ring.rotate(connection, state.ring, keks, self.new_key(), now)

    def revoke_ring(self) -> int:
        """Every refresh token is dead at once. Returns how many logins ended."""
        keks = self._keks_in_use()
        with self._alone() as (connection, _, now):
            return ring.replace(connection, keks, self.new_key(), now)

    def rewrap(self) -> int:
        """Seal anew under the newest key-encryption key what another one sealed. Returns how many keys that were."""
        keks = self._keks_in_use()
        with self._alone() as (connection, state, _):
            return rewrapping.rewrap(connection, state, keks)

    def sealed_by_older(self) -> int:
        """How many keys `rewrap` would seal anew."""
        return len(rewrapping.sealed_by_older(self.read_state(), self._keks_in_use()))

    def tend_ring(self) -> list[str]:
        """Remove the ring keys that no row names any more. It may read every authorization: call it seldom."""
        if not ring_schedule.replaced(self.read_state().ring, self.now()):
            return []
        with self._alone() as (connection, state, now):
            return ring.remove_unused(connection, state.ring, now)

    def _still_due(self, step: Transition) -> Decide:
        def decide(keys: Keys, now: int, make: Make) -> Keys:
            due = step in transitions(keys, self.policy, now)
            return key_transitions.apply(keys, step, now, make) if due else ()

        return decide

    def _commit(self, decide: Decide, makes: int = 0) -> Keys:
        """One transaction; returns the rows that were written. Raises what `decide` raises, and Unavailable."""
        make = self._maker(makes)
        with self._alone() as (connection, state, now):
            changed = decide(state.signing_keys, now, make)
            _write(connection, state.signing_keys, changed)
        return changed

    @contextmanager
    def _alone(self) -> Iterator[tuple[Connection, KeyState, int]]:
        with self.database.begin() as connection:
            signing_keys.lock(connection)
            yield connection, signing_keys.load(connection), self.now()

    def _maker(self, count: int) -> Make:
        """Gives `count` keys that are made here and now; more only while the transaction waits."""
        keks = self._keks_in_use()

        def make(alg: str) -> SigningKey:
            return new_signing_key(keks, alg, "pending", now=self.now(), max_token_ttl=self.max_token_ttl)

        spare = [make("RS256") for _ in range(count)]
        return lambda alg: spare.pop() if spare and spare[-1].alg == alg else make(alg)

    def _keks_in_use(self) -> KeyEncryptionKeys:
        """Raises Misconfigured if they are not those of this database: no running server could open what they seal."""
        keks, state = self.keks(), self.read_state()
        for key in state.signing_keys:
            if key.sealed:
                keks.open(key.kid, key.sealed)
        for key_of_ring in state.ring:
            keks.open(key_of_ring.id, key_of_ring.sealed)
        return keks


def check_unknown(keys: Keys, kid: str) -> None:
    """Raises Refused: a `kid` is never used again (a removed key's tokens would be good again)."""
    known = next((key for key in keys if key.kid == kid), None)
    if known:
        raise Refused(f"The key {kid} was used here before (it is {known.state}), and no key is used twice.")


def _write(connection: Connection, keys: Keys, changed: Keys) -> None:
    known = {key.kid: key for key in keys}
    for key in changed:
        if key.kid not in known:
            signing_keys.add(connection, key)
        elif not signing_keys.change(connection, known[key.kid], key):
            raise Unavailable(f"The key {key.kid} was changed by somebody else meanwhile: nothing was written.")

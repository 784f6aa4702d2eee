"""Applies changes of the keys' state to a database: what the schedule says is due, and what an operator asks for.

Every change is one transaction that locks, reads, judges anew and writes under guards: so it can be killed at any step,
run twice at once and by many nodes, and run again. New keys are made before the transaction, because that takes long.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...domain import key_rules, key_transitions, refresh_key_schedule
from ...domain.algorithms import DEFAULT
from ...domain.errors import ChangedMeanwhile, Misconfigured, Refused, Unavailable
from ...domain.key_schedule import (
    KeyPolicy,
    Keys,
    Transition,
    algorithms_in_use,
    as_of_today,
    in_state,
    misdated,
    promotable_at,
    transitions,
)
from ...domain.key_transitions import Make
from ...domain.models import RefreshTokenKey, SigningKey
from ...domain.timeline import Timeline
from ...store import refresh_token_keys, signing_keys
from ...store.database import Connection, Database
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys, is_wrapped
from ..jwk import Key
from ..key_store import KeyStore
from . import refresh_keys, rewrapping

_NOTHING_PENDING = "There is no pending key. Publish one with:\n\n    authserver keys rotate --due"
Decide = Callable[[KeyState, int, Make], Keys]
"""What there is, now in microseconds, a maker of keys -> the rows to write. Raises Refused."""


class TooEarly(Refused):
    """The pending key has not been published for the lead time: verifiers may not have it before `possible_at`."""

    def __init__(self, pending: SigningKey, possible_at: int) -> None:
        super().__init__(f"The pending key {pending.kid} cannot be promoted yet.")
        self.pending, self.possible_at = pending, possible_at


@dataclass(frozen=True, slots=True)
class Lifecycle:
    database: Database
    open_key_store: Callable[[], KeyStore]
    """Reads the key-encryption keys anew, so that a new one seals as soon as it is there."""
    policy: KeyPolicy
    max_token_ttl: int
    """Seconds: the longest lifetime of a token by this process's settings."""
    now: Callable[[], int]
    """Microseconds since the epoch."""
    new_key: Callable[[], bytes]
    """32 random bytes, for the ring."""
    timeline: Callable[[], Timeline]
    """How the clock was set, so that no step of it makes a key old or young."""

    def read(self) -> Keys:
        return self.read_state().signing_keys

    def read_state(self) -> KeyState:
        with self.database.begin() as connection:
            return signing_keys.load(connection)

    def is_due(self, state: KeyState) -> bool:
        """Whether `run_due` would do something."""
        now = self.now()
        due = self._due(state, now) or misdated(state.signing_keys, self.timeline(), now)
        return bool(due) or refresh_key_schedule.has_late_logins(state.refresh_keys, now)

    def run_due(self, tell: Callable[[Transition], object] = lambda step: None) -> list[Transition]:
        """Make the state right for now. Tells and returns what was done; what another process did first is not in it.
        Raises the first of what could not be done, after all else was: one algorithm's keys hold up no other's."""
        done: list[Transition] = []
        failed: dict[Transition, Exception] = {}
        if misdated(self.read(), self.timeline(), self.now()):
            self._commit(lambda state, now, make: misdated(state.signing_keys, self.timeline(), now))
        while step := next((one for one in self._due(self.read_state(), self.now()) if one not in failed), None):
            try:
                was_done = self._do(step)
            except (Misconfigured, Refused, Unavailable) as error:
                failed[step] = error
                continue
            if was_done:
                tell(step)
                done.append(step)
        if refresh_key_schedule.has_late_logins(self.read_state().refresh_keys, self.now()):
            with self._alone() as (connection, _, now):
                refresh_token_keys.end_logins(connection, now)
        if failed:
            raise next(iter(failed.values()))
        return done

    def _due(self, state: KeyState, now: int) -> tuple[Transition, ...]:
        return transitions(as_of_today(state.signing_keys, self.timeline()), self.policy, now, state.algorithms)

    def _do(self, step: Transition) -> bool:
        """Whether it was still due."""
        makes = (step.alg,) if step.change in ("publish", "promote") else ()
        return bool(self._commit(self._still_due(step), makes))

    def promote(self, alg: str, *, emergency: bool = False) -> Transition:
        """The pending key signs from now on. Raises TooEarly, unless `emergency`, before it has been published for the
        lead time, and Refused if another process promoted it meanwhile."""
        step = self.promotion(self.read(), alg, emergency=emergency)

        def promote(state: KeyState, now: int, make: Make) -> Keys:
            if step != self.promotion(state.signing_keys, alg, emergency=True):
                # Two emergencies at once are one: the second must not promote a key that nobody has fetched.
                raise Refused(f"Another command was first: {step.kid} is pending no more. See: authserver keys list")
            return key_transitions.apply(state.signing_keys, step, now, make)

        self._commit(promote, (alg,))
        return step

    def promotion(self, keys: Keys, alg: str, *, emergency: bool = False) -> Transition:
        """What `promote` would do with these keys. Raises the same."""
        pending, now = in_state(as_of_today(keys, self.timeline()), alg, "pending"), self.now()
        if pending is None:
            key_rules.check_in_use(keys, alg)
            raise Refused(_NOTHING_PENDING)
        if now < promotable_at(pending, self.policy) and not emergency:
            raise TooEarly(pending, promotable_at(pending, self.policy))
        return Transition("promote", alg, pending.kid)

    def revoke(self, kid: str) -> Keys:
        """`kid` is out of the JWKS at once. Returns the rows that changed; none if it was revoked before."""
        algs = {key.alg for key in self.read() if key.kid == kid}
        return self._commit(lambda state, now, make: key_transitions.revoked(state.signing_keys, kid, now, make), algs)

    def revoke_all(self) -> tuple[Keys, int]:
        """Replace every signing key and the ring; end every login. Returns the rows that changed, and how many logins
        ended."""
        keks, algs = self._keks_in_use(), algorithms_in_use(self.read())
        with self._maker([*algs, *algs]) as make, self._alone() as (connection, state, now):
            changed = key_transitions.all_revoked(state.signing_keys, now, make)
            _write(connection, state.signing_keys, changed)
            ended = refresh_keys.replace(connection, keks, self.new_key(), now)
        self._destroy(state.signing_keys, changed)
        return changed, ended

    def import_key(self, private: Key, alg: str = DEFAULT, kid: str | None = None) -> Keys:
        """Publish that key in place of the pending one, which is withdrawn. Its `kid` is its thumbprint unless another
        is given. Returns the rows that changed. Raises Refused if the `kid` was ever used here, and for an algorithm
        that no client uses."""
        self._keks_in_use()
        key = self.open_key_store().import_key(private, alg, kid, now=self.now(), max_token_ttl=self.max_token_ttl)
        return self._commit(lambda state, now, make: self.imported(state.signing_keys, key, now))

    def imported(self, keys: Keys, key: SigningKey, now: int) -> Keys:
        """What `import_key` changes in these keys. Raises the same."""
        key_rules.check_in_use(keys, key.alg)
        key_rules.check_new(keys, key)
        return key_transitions.imported(keys, key, now)

    def publish(self, public: Iterable[SigningKey]) -> Keys:
        """Publish keys that only verify (key_transitions.published_to_verify). Returns them. Raises Refused if a `kid`
        was ever used here."""
        return self._commit(lambda state, now, make: self.published(state.signing_keys, public))

    def published(self, keys: Keys, public: Iterable[SigningKey]) -> Keys:
        """What `publish` adds to these keys. Raises the same."""
        added: Keys = ()
        for key in public:
            key_rules.check_new((*keys, *added), key)
            added += (key,)
        return added

    def rotate_refresh_keys(self) -> RefreshTokenKey:
        """Announce a new key for the refresh tokens of new logins. Raises RefreshKeyWaits."""
        keks = self._keks_in_use()
        with self._alone() as (connection, state, now):
            return refresh_keys.rotate(connection, state.refresh_keys, keks, self.new_key(), now)

    def revoke_refresh_keys(self) -> int:
        """Every refresh token is dead at once. Returns how many logins ended."""
        keks = self._keks_in_use()
        with self._alone() as (connection, _, now):
            return refresh_keys.replace(connection, keks, self.new_key(), now)

    def rewrap(self) -> int:
        """Seal anew under the newest key-encryption key what another one sealed. Returns how many keys that were."""
        keks = self._keks_in_use()
        with self._alone() as (connection, state, _):
            return rewrapping.rewrap(connection, state, keks)

    def wrapped_by_older(self) -> int:
        """How many keys `rewrap` would seal anew."""
        return len(rewrapping.wrapped_by_older(self.read_state(), self._keks_in_use()))

    def change_clients(self, alg: str, change: Callable[[Connection], object]) -> Keys:
        """Run `change`, which may make clients use `alg` or stop doing so; then each algorithm that a client uses has a
        sequence of keys, and no other one. One transaction. Returns the rows of keys that changed."""
        makes = {alg} - {DEFAULT} - algorithms_in_use(self.read())

        def fit(state: KeyState, now: int, make: Make) -> Keys:
            known = algorithms_in_use(state.signing_keys) | {alg}  # the schedule makes up for what is missing beside
            return key_transitions.for_algorithms(state.signing_keys, state.algorithms & known, now, make)

        return self._commit(fit, makes, change)

    def destroy_orphaned_keys(self) -> list[str]:
        """Destroy the private keys outside the database that it knows as destroyed: who should have done it was killed.
        Returns their kids. Raises Unavailable."""
        private = self.open_key_store()
        present = private.present()
        gone = [key.kid for key in (self.read() if present else ()) if key.wrapped is None and key.kid in present]
        private.destroy(present[kid] for kid in gone)
        return gone

    def remove_unused_refresh_keys(self) -> list[str]:
        """Remove the ring keys that no row names any more. It may read every authorization: call it seldom."""
        replaced = refresh_key_schedule.replaced(self.read_state().refresh_keys, self.now())
        with self.database.read() as connection:
            if all(refresh_token_keys.is_named(connection, key.id) for key in replaced):
                return []
        with self._alone() as (connection, state, now):
            return refresh_keys.remove_unused(connection, state.refresh_keys, now)

    def _still_due(self, step: Transition) -> Decide:
        def decide(state: KeyState, now: int, make: Make) -> Keys:
            due = step in self._due(state, now)
            return key_transitions.apply(state.signing_keys, step, now, make) if due else ()

        return decide

    def _commit(
        self, decide: Decide, makes: Iterable[str] = (), before: Callable[[Connection], object] | None = None
    ) -> Keys:
        """One transaction; returns the rows that were written. `makes` has the algorithm of each key that it will need;
        `before` is done first, and seen by `decide`. Raises what these raise, and Unavailable."""
        with self._maker(makes) as make, self._alone(before) as (connection, state, now):
            changed = decide(state, now, make)
            _write(connection, state.signing_keys, changed)
        self._destroy(state.signing_keys, changed)
        return changed

    @contextmanager
    def _alone(
        self, before: Callable[[Connection], object] | None = None
    ) -> Iterator[tuple[Connection, KeyState, int]]:
        with self.database.begin() as connection:
            signing_keys.lock(connection)
            if before:
                before(connection)
            state = signing_keys.load(connection)
            yield connection, state, self.now()
            self._check_seals(state, signing_keys.load(connection))

    def _check_seals(self, before: KeyState, after: KeyState) -> None:
        """Raises ChangedMeanwhile if a rewrap came between: the old key-encryption key may be gone already, and what is
        sealed by it now would never open."""
        keks = self.open_key_store().keks
        if rewrapping.wrapped_by_older(after, keks) - rewrapping.wrapped_by_older(before, keks):
            raise ChangedMeanwhile("The key-encryption key was changed meanwhile: nothing was written. Try again.")

    @contextmanager
    def _maker(self, algs: Iterable[str]) -> Iterator[Make]:
        """Gives keys of these algorithms that are made here and now; others only while the transaction waits. What was
        made for nothing is destroyed, unless nobody can know whether it is in the database."""
        if algs:
            self._keks_in_use()
        private, made = self.open_key_store(), list[SigningKey]()

        def make(alg: str) -> SigningKey:
            made.append(private.generate(alg, now=self.now(), max_token_ttl=self.max_token_ttl))
            return made[-1]

        try:
            spare = [make(alg) for alg in algs]
            yield lambda alg: next((spare.pop(at) for at, key in enumerate(spare) if key.alg == alg), None) or make(alg)
        except ChangedMeanwhile:  # so nothing was written
            raise
        except Unavailable:
            made.clear()  # a COMMIT whose answer was lost may have been one all the same
            raise
        finally:
            if any(not is_wrapped(key.wrapped or "") for key in made):
                written = {key.kid for key in self.read()}
                private.destroy(key.wrapped for key in made if key.kid not in written)

    def _destroy(self, before: Keys, changed: Keys) -> None:
        """After the commit: before it, a change that fails would leave a key that cannot sign."""
        gone = {key.kid for key in changed if key.wrapped is None}
        self.open_key_store().destroy(key.wrapped for key in before if key.kid in gone)

    def _keks_in_use(self) -> KeyEncryptionKeys:
        """Raises Misconfigured if they are not those of this database: no running server could open what they seal."""
        keks, state = self.open_key_store().keks, self.read_state()
        for key in state.signing_keys:
            if key.wrapped and is_wrapped(key.wrapped):
                keks.unwrap(key.kid, key.wrapped)
        for key_of_ring in state.refresh_keys:
            keks.unwrap(key_of_ring.id, key_of_ring.wrapped)
        return keks


def _write(connection: Connection, keys: Keys, changed: Keys) -> None:
    known = {key.kid: key for key in keys}
    for key in changed:
        if key.kid not in known:
            signing_keys.add(connection, key)
        elif not signing_keys.change(connection, known[key.kid], key):
            raise ChangedMeanwhile(f"The key {key.kid} was changed meanwhile: nothing was written. Try again.")

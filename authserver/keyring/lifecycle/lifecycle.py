"""Changes the keys: applies what the schedule says is due, and what an operator asks for."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ...domain import key_rules, key_transitions, refresh_key_schedule
from ...domain.algorithms import DEFAULT
from ...domain.end_reason import REVOKED
from ...domain.errors import Misconfigured, Refused, Unavailable
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
from ...domain.times import counted
from ...store import refresh_token_keys, subject_keys
from ...store.database import Connection
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys
from ..jwk import Key
from . import refresh_keys, rewrapping
from .subject_key import new_subject_key
from .transactions import Change, Decide, Transactions

_NOTHING_PENDING = "There is no pending key. Publish one with:\n\n    authserver keys rotate --due"
_ALREADY_PROMOTED = "Another command promoted the key {} first. To see the keys: authserver keys list"


class TooEarly(Refused):
    """The pending key has not been published for the lead time: verifiers may not have it before `possible_at`."""

    def __init__(self, pending: SigningKey, possible_at: int) -> None:
        super().__init__(f"The pending key {pending.kid} cannot be promoted yet.")
        self.pending, self.possible_at = pending, possible_at


@dataclass(frozen=True, slots=True)
class Lifecycle(Transactions):
    policy: KeyPolicy
    new_key: Callable[[], bytes]
    """Returns 32 random bytes for a new refresh-token key."""
    timeline: Callable[[], Timeline]
    """Returns how the clock was set, so that a clock step changes no key's age."""

    def read(self) -> Keys:
        return self.read_state().signing_keys

    def is_due(self, state: KeyState) -> bool:
        """Whether `run_due` would change anything."""
        now = self.now()
        due = self._due(state, now) or misdated(state.signing_keys, self.timeline(), now)
        return bool(due) or refresh_key_schedule.has_late_logins(state.refresh_keys, now)

    def run_due(self, report: Callable[[Transition], object] = lambda step: None) -> list[Transition]:
        """Apply every transition that is due, and call `report` after each.

        Returns the transitions that this process applied; another process may have applied some first. A failure does
        not delay the keys of other algorithms: the first one is raised at the end."""
        done: list[Transition] = []
        failed: dict[Transition, Exception] = {}
        if misdated(self.read(), self.timeline(), self.now()):
            self.commit(lambda state, now, make: misdated(state.signing_keys, self.timeline(), now))
        while step := next((step for step in self._due(self.read_state(), self.now()) if step not in failed), None):
            try:
                was_due = self._apply(step)
            except (Misconfigured, Refused, Unavailable) as error:
                failed[step] = error
                continue
            if was_due:
                report(step)
                done.append(step)
        self._end_late_logins()
        if failed:
            raise next(iter(failed.values()))
        return done

    def promote(self, alg: str, *, emergency: bool = False) -> Transition:
        """Let the pending key sign from now on. Raises TooEarly before it has been published for the lead time, unless
        `emergency` is set, and Refused if another process promoted it first."""
        step = self.promotion(self.read(), alg, emergency=emergency)

        def promote(state: KeyState, now: int, make: Make) -> Keys:
            if step != self.promotion(state.signing_keys, alg, emergency=True):
                # Of two emergency promotions at once, the second must not promote a key that no verifier has fetched.
                raise Refused(_ALREADY_PROMOTED.format(step.kid))
            return key_transitions.apply(state.signing_keys, step, now, make)

        self.commit(promote, (alg,))
        return step

    def promotion(self, keys: Keys, alg: str, *, emergency: bool = False) -> Transition:
        """Return what `promote` would do with these keys. Raises the same errors."""
        pending, now = in_state(as_of_today(keys, self.timeline()), alg, "pending"), self.now()
        if pending is None:
            key_rules.check_in_use(keys, alg)
            raise Refused(_NOTHING_PENDING)
        if now < promotable_at(pending, self.policy) and not emergency:
            raise TooEarly(pending, promotable_at(pending, self.policy))
        return Transition("promote", alg, pending.kid)

    def revoke(self, kid: str) -> Keys:
        """Remove `kid` from the JWKS at once. Returns the rows that changed; none if it was already revoked."""
        algs = {key.alg for key in self.read() if key.kid == kid}
        return self.commit(lambda state, now, make: key_transitions.revoked(state.signing_keys, kid, now, make), algs)

    def revoke_all(self) -> tuple[Keys, int]:
        """Replace every signing key and refresh-token key, and end every authorization. Returns the rows that changed,
        and the number of authorizations that ended."""
        keks, algs = self.checked_keks(), algorithms_in_use(self.read())
        with self.making([*algs, *algs]) as make, self.exclusive() as (connection, state, now):
            changed = key_transitions.all_revoked(state.signing_keys, now, make)
            self.write(connection, now, state.signing_keys, changed)
            ended = self._replace_refresh_keys(connection, keks, now)
        self.destroy(state.signing_keys, changed)
        return changed, ended

    def import_key(self, private: Key, alg: str = DEFAULT, kid: str | None = None) -> Keys:
        """Publish a key that was generated elsewhere in place of the pending one, which is withdrawn. Its `kid` is its
        RFC 7638 thumbprint unless one is given. Returns the rows that changed. Raises Refused if the `kid` or the key
        was ever used here, and for an algorithm that no client uses."""
        self.checked_keks()
        key = self.open_key_store().import_key(private, alg, kid, now=self.now(), max_token_ttl=self.max_token_ttl)
        return self.commit(lambda state, now, make: self.imported(state.signing_keys, key, now))

    def imported(self, keys: Keys, key: SigningKey, now: int) -> Keys:
        """Return the rows that `import_key` would change in these keys. Raises the same errors."""
        key_rules.check_in_use(keys, key.alg)
        key_rules.check_new(keys, key)
        return key_transitions.imported(keys, key, now)

    def publish(self, public: Iterable[SigningKey]) -> Keys:
        """Publish keys that only verify (key_transitions.published_to_verify), and return them. Raises Refused if a
        `kid` or a key was ever used here."""
        return self.commit(lambda state, now, make: self.published(state.signing_keys, public))

    def published(self, keys: Keys, public: Iterable[SigningKey]) -> Keys:
        """Return the rows that `publish` would add to these keys. Raises the same errors."""
        added: Keys = ()
        for key in public:
            key_rules.check_new((*keys, *added), key)
            added += (key,)
        return added

    def rotate_refresh_keys(self) -> RefreshTokenKey:
        """Add a key that will make the refresh tokens of new authorizations. Raises RefreshKeyWaits."""
        keks = self.checked_keks()
        with self.exclusive() as (connection, state, now):
            new = refresh_keys.rotate(connection, state.refresh_keys, keks, self.new_key(), now)
            self.record(connection, now, "refresh_key_created", id=new.id)
            return new

    def revoke_refresh_keys(self) -> int:
        """Invalidate every refresh token at once. Returns the number of authorizations that ended."""
        keks = self.checked_keks()
        with self.exclusive() as (connection, _, now):
            return self._replace_refresh_keys(connection, keks, now)

    def remove_unused_refresh_keys(self) -> list[str]:
        """Remove the refresh-token keys that no authorization uses, and return their ids. This may read every
        authorization, so call it rarely."""
        replaced = refresh_key_schedule.replaced(self.read_state().refresh_keys, self.now())
        with self.database.read() as connection:
            if all(refresh_token_keys.is_named(connection, key.id) for key in replaced):
                return []
        with self.exclusive() as (connection, state, now):
            removed = refresh_keys.remove_unused(connection, state.refresh_keys, now)
            for id in removed:
                self.record(connection, now, "refresh_key_removed", id=id)
            return removed

    def create_subject_key(self) -> None:
        """Create the key of pairwise subjects, unless there is one."""
        keks = self.checked_keks()
        with self.exclusive() as (connection, state, now):
            if state.subject_key is None:
                key = new_subject_key(keks, self.new_key(), now)
                subject_keys.put(connection, key)
                self.record(connection, now, "subject_key_created", id=key.id)

    def rewrap(self) -> int:
        """Wrap every key that an older key-encryption key wraps under the newest one. Returns the number of keys."""
        keks = self.checked_keks()
        with self.exclusive() as (connection, state, now):
            count = rewrapping.rewrap(connection, state, keks)
            if count:
                self.record(connection, now, "keys_rewrapped", keys=count)
            return count

    def wrapped_by_older(self) -> int:
        """Return how many keys `rewrap` would wrap again."""
        return len(rewrapping.wrapped_by_older(self.read_state(), self.checked_keks()))

    def change_clients(self, algs: Collection[str], change: Change) -> Keys:
        """Run `change`, which may make clients use `algs` or stop using them; then create keys for each algorithm that
        a client uses, and end those of every other. Runs in one transaction. Returns the rows of keys that changed."""
        new = {*algs} - {DEFAULT} - algorithms_in_use(self.read())

        def fit(state: KeyState, now: int, make: Make) -> Keys:
            wanted = algorithms_in_use(state.signing_keys) | {*algs}  # the schedule adds keys for any other algorithm
            return key_transitions.for_algorithms(state.signing_keys, state.algorithms & wanted, now, make)

        return self.commit(fit, new, change)

    def destroy_orphaned_keys(self) -> list[str]:
        """Destroy private keys outside the database that the database records as destroyed; they remain if the process
        that was to destroy them was killed. Returns their kids. Raises Unavailable."""
        store = self.open_key_store()
        present = store.present()
        orphaned = [key.kid for key in (self.read() if present else ()) if key.wrapped is None and key.kid in present]
        store.destroy(present[kid] for kid in orphaned)
        if orphaned:
            with self.database.begin() as connection:
                for kid in orphaned:
                    self.record(connection, self.now(), "key_destroyed", kid=kid)
        return orphaned

    def _due(self, state: KeyState, now: int) -> tuple[Transition, ...]:
        return transitions(as_of_today(state.signing_keys, self.timeline()), self.policy, now, state.algorithms)

    def _apply(self, step: Transition) -> bool:
        """Apply `step` if it is still due, and return whether it was."""
        algs = (step.alg,) if step.change in ("publish", "promote") else ()
        return bool(self.commit(self._if_still_due(step), algs))

    def _if_still_due(self, step: Transition) -> Decide:
        def decide(state: KeyState, now: int, make: Make) -> Keys:
            is_due = step in self._due(state, now)
            return key_transitions.apply(state.signing_keys, step, now, make) if is_due else ()

        return decide

    def _end_late_logins(self) -> None:
        if refresh_key_schedule.has_late_logins(self.read_state().refresh_keys, self.now()):
            with self.exclusive() as (connection, _, now):
                if ended := refresh_token_keys.end_authorizations(connection, now):
                    self.record(
                        connection, now, "authorizations_ended", reason=REVOKED["refresh_keys_revoked"], number=ended
                    )

    def _replace_refresh_keys(self, connection: Connection, keks: KeyEncryptionKeys, now: int) -> int:
        ended = refresh_keys.replace(connection, keks, self.new_key(), now)
        self.record(connection, now, "refresh_keys_revoked", ended=counted(ended, "authorization"))
        return ended

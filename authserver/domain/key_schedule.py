"""When each signing key changes its state: pending, active, retired, removed.

Times in microseconds, policy in seconds.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from .algorithms import ALGORITHMS, DEFAULT
from .models import SECOND, SigningKey
from .timeline import Timeline

STALE_AFTER = 30
"""Seconds for which a process may use a key state that it cannot read again; every period below includes them."""

_CLOCK_SKEW = 300
_DESTROY_AFTER = 60
KEPT_AT_LEAST = _CLOCK_SKEW + STALE_AFTER
"""Seconds for which a retired key stays published after its last token expired, whatever the policy says."""
DESTROYED_AT_LEAST = _DESTROY_AFTER + STALE_AFTER
"""Seconds between the last moment at which a key may have signed and the destruction of its private part."""


Keys = tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state.

    `publish`: a pending key is created. `promote`: the pending key becomes active, the active key retires, and the next
    pending key is created. `destroy`: a retired key's private part is destroyed. `remove`: a retired key leaves the
    JWKS. `retire` and `withdraw`: the active and the pending key end, because no client uses their algorithm.
    """

    change: str
    alg: str
    kid: str | None = None
    """The key that changes; None if it does not exist yet."""


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long a key is published before it signs, how long it signs, and how long a JWKS may be cached, in seconds."""

    lead_time: int = 86400
    rotation_period: int = 90 * 86400
    jwks_max_age: int = 300


def promotable_at(pending: SigningKey, policy: KeyPolicy) -> int:
    """Return the time from which every verifier has had the lead time to fetch the pending key."""
    return pending.created_at + (policy.lead_time + STALE_AFTER) * SECOND


def first_signs_at(alg: str, keys: Keys, policy: KeyPolicy) -> int | None:
    """Return when the first key of `alg` is due to sign; None if one signs already, or none is published."""
    pending = in_state(keys, alg, "pending")
    return promotable_at(pending, policy) if pending and not in_state(keys, alg, "active") else None


def promotion_due_at(pending: SigningKey, active: SigningKey | None, policy: KeyPolicy) -> int:
    """Return when the schedule promotes the pending key: after the active key's rotation period and the lead time."""
    signed_since = active.activated_at if active and active.activated_at else 0
    return max(promotable_at(pending, policy), signed_since + policy.rotation_period * SECOND)


def only_verifies(key: SigningKey) -> bool:
    """Whether the key was published only to verify another issuer's tokens, and never signed here."""
    return key.state == "retired" and key.activated_at is None


def destroyable_at(retired: SigningKey) -> int:
    """Return when the private part of a key that stopped signing may be destroyed."""
    return (retired.retired_at or 0) + DESTROYED_AT_LEAST * SECOND


def removable_at(retired: SigningKey, policy: KeyPolicy) -> int:
    """Return when the last token that the key may have signed has expired at every verifier."""
    kept_for = retired.max_token_ttl + KEPT_AT_LEAST + policy.jwks_max_age
    return (retired.retired_at or 0) + kept_for * SECOND


def due(key: SigningKey, keys: Keys, policy: KeyPolicy) -> dict[str, int]:
    """Return the coming changes of `key`, which is one of `keys`, and when each is due."""
    same = {other.state: other for other in keys if other.alg == key.alg}
    pending, active = same.get("pending"), same.get("active")
    if key.state == "pending":
        return {"promotable_at": promotable_at(key, policy), "activated_at": promotion_due_at(key, active, policy)}
    if key.state == "active" and pending:
        return {"retired_at": promotion_due_at(pending, key, policy)}
    if key.state == "retired":
        destroyed = {} if key.destroyed_at or only_verifies(key) else {"destroyed_at": destroyable_at(key)}
        return destroyed | {"removed_at": removable_at(key, policy)}
    return {}


def transitions(keys: Keys, policy: KeyPolicy, now: int, algs: Collection[str]) -> tuple[Transition, ...]:
    """Return the transitions that are due at `now` while clients use `algs`, most urgent first.

    Apply the first and call this again until nothing is due: then the state is correct for `now`, however long nothing
    was applied. Algorithms that only a later version supports are ignored."""
    used = sorted({DEFAULT, *algs} & {*ALGORITHMS}, key=lambda alg: (alg != DEFAULT, alg))
    signing = (step for alg in used for step in _signing_due(alg, keys, policy, now))
    retired = (step for key in keys if key.state == "retired" for step in _retired_due(key, policy, now))
    return (*signing, *retired, *ended(keys, algs))


def as_of_today(keys: Keys, timeline: Timeline) -> Keys:
    """Return the keys with their times adjusted to how the clock is set now, so that a clock step makes no key older.

    No time is later than now. The time of retirement never becomes earlier, because the database compares it to decide
    which keys may be removed."""
    times = ((key, timeline.today(key.created_at), key.activated_at, key.retired_at) for key in keys)
    return tuple(
        replace(
            key,
            created_at=created,
            activated_at=activated and timeline.today(activated),
            retired_at=retired and max(retired, timeline.today(retired)),
        )
        for key, created, activated, retired in times
    )


def misdated(keys: Keys, timeline: Timeline, now: int) -> Keys:
    """Return, with corrected times, the pending and active keys that have a time in the future, written by a clock that
    was ahead. Without the correction, no key would be rotated before that time."""
    dated = zip(keys, as_of_today(keys, timeline), strict=True)
    return tuple(
        today
        for key, today in dated
        if key.state in ("pending", "active") and max(key.created_at, key.activated_at or 0) > now
    )


def algorithms_in_use(keys: Keys) -> set[str]:
    """Return the algorithms that currently have keys. An algorithm gets keys when the first client uses it, or with the
    server's first keys, and they end when no client uses it."""
    return {key.alg for key in keys if key.state in ("pending", "active")}


def ended(keys: Keys, algs: Collection[str]) -> Iterator[Transition]:
    """Yield the transitions that end the keys of each algorithm that is not among `algs`, those that clients use.

    An operator asked for the algorithms of the server's first keys, the oldest ones: while these sign, they wait for
    clients. Keys that replaced revoked ones are not the first, even if the clock was set back before."""
    changes = {"active": "retire", "pending": "withdraw"}
    oldest = min((key.created_at for key in keys), default=0)
    replaced_any = any(key.revoked_at is not None and key.revoked_at <= oldest for key in keys)
    active = [] if replaced_any else [key for key in keys if key.state == "active"]
    first = {key.alg for key in active if key.activated_at == key.created_at == oldest}
    for key in keys:
        if key.state in changes and key.alg in {*ALGORITHMS} - {DEFAULT, *algs} - first:
            yield Transition(changes[key.state], key.alg, key.kid)


def in_state(keys: Keys, alg: str, state: str) -> SigningKey | None:
    """Return the key of `alg` in a state that at most one key can have: active or pending. None if there is none."""
    return next((key for key in keys if key.alg == alg and key.state == state), None)


def _signing_due(alg: str, keys: Keys, policy: KeyPolicy, now: int) -> Iterator[Transition]:
    pending, active = in_state(keys, alg, "pending"), in_state(keys, alg, "active")
    # Without an active key of the default algorithm nothing is signed, so no lead time matters. That key also signs for
    # algorithms that have no active key.
    at_once = alg == DEFAULT and active is None
    if pending is None:
        yield Transition("publish", alg)
    elif at_once or promotion_due_at(pending, active, policy) <= now:
        yield Transition("promote", alg, pending.kid)


def _retired_due(key: SigningKey, policy: KeyPolicy, now: int) -> Iterator[Transition]:
    if key.destroyed_at is None and not only_verifies(key) and destroyable_at(key) <= now:
        yield Transition("destroy", key.alg, key.kid)
    if removable_at(key, policy) <= now:
        yield Transition("remove", key.alg, key.kid)

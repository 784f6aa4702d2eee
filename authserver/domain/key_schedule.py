"""When each signing key changes its state: pending, active, retired, removed. Times in microseconds, policy in seconds."""

from dataclasses import dataclass

from .models import SECOND, SigningKey

STALE_AFTER = 30
"""Seconds for which a process may go on with a key state that it cannot read anew; every time below includes them."""

_CLOCK_SKEW = 300
_DESTROY_AFTER = 60


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """In seconds: how long a key is published before it signs, how long it signs, how long a JWKS may be cached."""

    lead_time: int = 86400
    rotation_period: int = 90 * 86400
    jwks_max_age: int = 300


def promotable_at(pending: SigningKey, policy: KeyPolicy) -> int:
    """From when on every verifier has had the lead time to fetch the pending key."""
    return pending.created_at + (policy.lead_time + STALE_AFTER) * SECOND


def promotion_due_at(pending: SigningKey, active: SigningKey | None, policy: KeyPolicy) -> int:
    """When the schedule promotes it: the active key has signed for its period, and the lead time is over."""
    signed_since = active.activated_at if active and active.activated_at else 0
    return max(promotable_at(pending, policy), signed_since + policy.rotation_period * SECOND)


def destroyable_at(retired: SigningKey) -> int:
    """When the private part of a key that stopped signing may go."""
    return (retired.retired_at or 0) + (_DESTROY_AFTER + STALE_AFTER) * SECOND


def removable_at(retired: SigningKey, policy: KeyPolicy) -> int:
    """When the last token that it may have signed has expired at every verifier."""
    kept_for = retired.max_token_ttl + _CLOCK_SKEW + policy.jwks_max_age + STALE_AFTER
    return (retired.retired_at or 0) + kept_for * SECOND


def due(key: SigningKey, keys: tuple[SigningKey, ...], policy: KeyPolicy) -> dict[str, int]:
    """The changes of state that lie ahead of `key`, among all `keys`, and when each is due."""
    same = {other.state: other for other in keys if other.alg == key.alg}
    pending, active = same.get("pending"), same.get("active")
    if key.state == "pending":
        return {"promotable_at": promotable_at(key, policy), "activated_at": promotion_due_at(key, active, policy)}
    if key.state == "active" and pending:
        return {"retired_at": promotion_due_at(pending, key, policy)}
    if key.state == "retired":
        destroyed = {} if key.destroyed_at else {"destroyed_at": destroyable_at(key)}
        return destroyed | {"removed_at": removable_at(key, policy)}
    return {}

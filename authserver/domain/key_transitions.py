"""What each change of state does to the rows of the signing keys; key_schedule.py says which one is due when.

Every function returns the rows that change, in the order in which they must be written: a key leaves a state before
another one enters it. `make` returns a new pending key for an algorithm. The caller supplies it, and the time.
"""

from collections.abc import Callable, Collection
from dataclasses import replace

from .algorithms import ALGORITHMS, DEFAULT
from .key_schedule import Keys, Transition, algorithms_in_use, ended, in_state, only_verifies
from .models import SigningKey

Make = Callable[[str], SigningKey]


def apply(keys: Keys, step: Transition, now: int, make: Make) -> Keys:
    """Return the rows that `step` changes at `now` (microseconds). `step` must be possible in `keys`."""
    if step.change == "publish":
        return (new_pending(keys, step.alg, now, make),)
    if step.change == "promote":
        return promoted(keys, step.alg, now, make)
    key = next(key for key in keys if key.kid == step.kid)
    if step.change == "destroy":
        return (replace(key, wrapped=None, destroyed_at=now),)
    if step.change == "retire":
        return (replace(key, state="retired", retired_at=now),)
    return (_removed(key, now),)  # remove, withdraw


def merged(keys: Keys, changed: Keys) -> Keys:
    """Return the keys after `changed` was written."""
    new = {key.kid: key for key in changed}
    kids = {key.kid for key in keys}
    return (*(new.get(key.kid, key) for key in keys), *(key for key in changed if key.kid not in kids))


def new_pending(keys: Keys, alg: str, now: int, make: Make) -> SigningKey:
    """Return a new pending key. It inherits the longest token lifetime of all keys that may sign."""
    made = make(alg)
    may_sign = (key for key in (made, *keys) if key.state not in ("removed", "revoked") and not only_verifies(key))
    longest = max(key.max_token_ttl for key in may_sign)
    return replace(made, max_token_ttl=longest, created_at=now)


def promoted(keys: Keys, alg: str, now: int, make: Make) -> Keys:
    """The pending key signs from now on, and the next pending key is created in the same transaction."""
    active, pending = in_state(keys, alg, "active"), in_state(keys, alg, "pending")
    retired = (replace(active, state="retired", retired_at=now),) if active else ()
    return (*retired, *_take_over(keys, pending, alg, now, make))


def revoked(keys: Keys, kid: str, now: int, make: Make) -> Keys:
    """`kid` leaves the JWKS at once, and its private part is destroyed. The pending key replaces an active key, and a
    new key replaces a pending key. Returns no rows if it was already revoked."""
    key = next(key for key in keys if key.kid == kid)
    if key.state == "revoked":
        return ()
    gone = _revoked(key, now)
    if key.state == "active":
        return (gone, *_take_over(keys, in_state(keys, key.alg, "pending"), key.alg, now, make))
    return (gone, new_pending(keys, key.alg, now, make)) if key.state == "pending" else (gone,)


def all_revoked(keys: Keys, now: int, make: Make) -> Keys:
    """Every key leaves the JWKS; for each algorithm a new key signs at once and another one is pending."""
    gone = tuple(_revoked(key, now) for key in keys if key.state not in ("removed", "revoked"))
    algs = sorted({DEFAULT, *algorithms_in_use(keys)})
    return (*gone, *(key for alg in algs for key in _take_over(keys, None, alg, now, make)))


def imported(keys: Keys, key: SigningKey, now: int) -> Keys:
    """`key` becomes pending in place of the current pending key, which never signed and is withdrawn."""
    pending = in_state(keys, key.alg, "pending")
    withdrawn = (_removed(pending, now),) if pending else ()
    return (*withdrawn, new_pending(keys, key.alg, now, lambda alg: key))


def published_to_verify(kid: str, alg: str, public: dict[str, str], token_ttl: int, now: int) -> SigningKey:
    """Return the row of another issuer's public key. It is published from `now` until that issuer's tokens, valid for
    at most `token_ttl` seconds, have expired. The row is a retired key that never signed here."""
    return SigningKey(kid, alg, "retired", public, None, token_ttl, created_at=now, retired_at=now)


def for_algorithms(keys: Keys, algs: Collection[str], now: int, make: Make) -> Keys:
    """Make exactly `algs`, the algorithms that clients use, have keys: create a pending key for each that has none, and
    end the keys of every other algorithm."""
    over = tuple(key for step in ended(keys, algs) for key in apply(keys, step, now, make))
    new = sorted({*algs} & {*ALGORITHMS} - algorithms_in_use(keys))
    return (*over, *(new_pending(keys, alg, now, make) for alg in new))


def _take_over(keys: Keys, pending: SigningKey | None, alg: str, now: int, make: Make) -> Keys:
    successor = pending or new_pending(keys, alg, now, make)
    return (replace(successor, state="active", activated_at=now), new_pending(keys, alg, now, make))


def _removed(key: SigningKey, now: int) -> SigningKey:
    return replace(key, state="removed", wrapped=None, destroyed_at=key.destroyed_at or now, removed_at=now)


def _revoked(key: SigningKey, now: int) -> SigningKey:
    return replace(key, state="revoked", wrapped=None, destroyed_at=key.destroyed_at or now, revoked_at=now)

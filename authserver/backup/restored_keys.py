"""Decides the signing keys of a restored database, without I/O.

Every key of the backup and of the replaced database is kept, so that no key is ever used twice. Published keys stay
published for as long as tokens that they signed are valid. If both have a key, the replaced database's row applies,
since it is newer.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from ..domain.algorithms import DEFAULT
from ..domain.key_schedule import KeyPolicy, Keys, promotable_at
from ..domain.models import SECOND, SigningKey

_PUBLISHED = ("active", "pending", "retired")


def restored(
    backup: Keys,
    replaced: Keys,
    private: Mapping[str, str],
    revoked: Collection[str],
    algs: Collection[str],
    now: int,
) -> Keys:
    """Return the rows of the restored database. `private` contains the usable private keys by `kid`, and `algs` the
    algorithms that its clients use; no other key continues to sign. There may be no active key among the rows. `now` is
    in microseconds."""
    replaced_kids = {key.kid for key in replaced}
    keys = [_revoked(key, now) if key.kid in revoked else key for key in _united(backup, replaced)]
    # Prefer the key that signed until now, then one that was published to sign next, then one that is still published.
    usable = sorted(
        (key for key in keys if key.state in _PUBLISHED and key.kid in private and key.alg in algs),
        key=lambda key: (
            bool(replaced_kids) and key.kid not in replaced_kids,
            _PUBLISHED.index(key.state),
            -key.created_at,
            key.kid,
        ),
    )
    signing = {DEFAULT} | {key.alg for key in replaced or backup if key.state == "active"}
    active: dict[str, str] = {}
    pending: dict[str, str] = {}
    for key in usable:
        if key.alg in signing and key.alg not in active:
            active[key.alg] = key.kid
        elif key.state == "pending":
            pending.setdefault(key.alg, key.kid)
    chosen = {kid: "active" for kid in active.values()} | {kid: "pending" for kid in pending.values()}
    return tuple(_placed(key, chosen.get(key.kid), private.get(key.kid), key.kid in replaced_kids, now) for key in keys)


def unpublished(keys: Keys, published_by: Keys, policy: KeyPolicy, now: int) -> Keys:
    """Return the active keys among `keys` that verifiers may not have: the last JWKS, as far as `published_by` says,
    did not contain them, or not for long enough."""
    held = {key.kid for key in published_by if key.state in _PUBLISHED and _has_spread(key, policy, now)}
    return tuple(key for key in keys if key.state == "active" and key.kid not in held)


def is_fresh(made_at: int, policy: KeyPolicy, now: int) -> bool:
    """Whether verifiers may still use the JWKS that was published when the backup was made (microseconds)."""
    return now - made_at <= policy.jwks_max_age * SECOND


def _has_spread(key: SigningKey, policy: KeyPolicy, now: int) -> bool:
    return key.state != "pending" or promotable_at(key, policy) <= now


def _united(backup: Keys, replaced: Keys) -> list[SigningKey]:
    """Return the replaced database's row of each key, or the backup's if it is the only one. A key that is revoked in
    either is revoked."""
    by_backup = {key.kid: key for key in backup}
    merged = {key.kid: _later(key, by_backup.get(key.kid, key)) for key in replaced}
    return list((by_backup | merged).values())


def _later(replaced: SigningKey, backup: SigningKey) -> SigningKey:
    key = backup if backup.state == "revoked" and replaced.state != "revoked" else replaced
    if key.state == "removed":  # the database checks the row's times against its lifetime
        return key
    return replace(key, max_token_ttl=max(replaced.max_token_ttl, backup.max_token_ttl))


def _placed(key: SigningKey, state: str | None, private: str | None, was_published: bool, now: int) -> SigningKey:
    if state == "active":
        began = key.activated_at or now
        return replace(key, state=state, wrapped=private, activated_at=began, retired_at=None, destroyed_at=None)
    if state == "pending":  # its lead time begins when it is published
        return replace(key, wrapped=private, created_at=key.created_at if was_published else now)
    if key.state in ("active", "pending"):  # it may have signed
        return replace(key, state="retired", wrapped=None, retired_at=now)
    return replace(key, wrapped=private if key.wrapped and key.state == "retired" else None)


def _revoked(key: SigningKey, now: int) -> SigningKey:
    return replace(
        key, state="revoked", wrapped=None, destroyed_at=key.destroyed_at or now, revoked_at=key.revoked_at or now
    )

"""What becomes of the signing keys when a backup replaces a database. Pure.

Every key that either of them has is kept, so that none is ever used twice. Published keys stay published for as long as
tokens that they signed are valid. Where both have a key, the replaced database is right: it is newer.
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
    """The rows of the restored database. `private` has the private parts that can be used, by `kid`, and `algs` what
    its clients use: nothing else goes on signing. There may be no active key among the rows. `now` in microseconds."""
    replaced_kids = {key.kid for key in replaced}
    keys = [_revoked(key, now) if key.kid in revoked else key for key in _united(backup, replaced)]
    # Best what signed until now, next what was published, at last what verifiers still hold.
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
    """The active keys among `keys` that verifiers may not have: the last JWKS, as far as `published_by` tells, did not
    hold them, or not for long enough."""
    held = {key.kid for key in published_by if key.state in _PUBLISHED and _has_spread(key, policy, now)}
    return tuple(key for key in keys if key.state == "active" and key.kid not in held)


def is_fresh(made_at: int, policy: KeyPolicy, now: int) -> bool:
    """Whether verifiers still go by what was published when the backup was made (microseconds)."""
    return now - made_at <= policy.jwks_max_age * SECOND


def _has_spread(key: SigningKey, policy: KeyPolicy, now: int) -> bool:
    return key.state != "pending" or promotable_at(key, policy) <= now


def _united(backup: Keys, replaced: Keys) -> list[SigningKey]:
    """The row of the replaced database, unless only the backup has one; what either revoked is revoked."""
    by_backup = {key.kid: key for key in backup}
    merged = {key.kid: _later(key, by_backup.get(key.kid, key)) for key in replaced}
    return list((by_backup | merged).values())


def _later(replaced: SigningKey, backup: SigningKey) -> SigningKey:
    key = backup if backup.state == "revoked" and replaced.state != "revoked" else replaced
    if key.state == "removed":  # the database holds its times to its lifetime
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

"""The keys that make refresh tokens: which one new authorizations use, and when an old one may be removed."""

from .key_schedule import STALE_AFTER
from .models import SECOND, RefreshTokenKey

RefreshTokenKeys = tuple[RefreshTokenKey, ...]
LEAD_TIME = 2 * STALE_AFTER
"""Seconds between a key's creation and its first use: by then every process that still serves has read it."""
_IN_USE_EVERYWHERE = 3600  # seconds after which every process uses a new key
_LATE = 4 * STALE_AFTER  # seconds


def newest(keys: RefreshTokenKeys, now: int) -> RefreshTokenKey:
    """Return the key for new authorizations: the newest key that is not revoked and whose `active_at` has passed. If
    there is none, the newest of those that are not revoked; if all are revoked, of all."""
    usable = [key for key in keys if key.revoked_at is None] or list(keys)
    return max([key for key in usable if key.active_at <= now] or usable, key=lambda key: (key.active_at, key.id))


def waiting(keys: RefreshTokenKeys, now: int) -> RefreshTokenKey | None:
    """Return the new key that is not used yet. A key whose `active_at` is further away than the lead time does not
    count: it was created by a clock that was ahead."""
    soon = now + LEAD_TIME * SECOND
    return next((key for key in keys if now < key.active_at <= soon and key.revoked_at is None), None)


def replaced(keys: RefreshTokenKeys, now: int) -> RefreshTokenKeys:
    """Return the keys that no process has used for new authorizations for an hour. They can be removed once no row
    refers to them."""
    newest_now = newest(keys, now) if keys else None
    if newest_now is None or newest_now.active_at + _IN_USE_EVERYWHERE * SECOND > now:
        return ()
    return tuple(key for key in keys if key.revoked_at is not None or key.active_at < newest_now.active_at)


def has_late_logins(keys: RefreshTokenKeys, now: int) -> bool:
    """Whether a process that has not read the keys again may still create logins with a key that was just revoked."""
    return any(key.revoked_at is not None and abs(now - key.revoked_at) < _LATE * SECOND for key in keys)

"""The keys that make refresh tokens: which one new authorizations use, and when an old one may be removed."""

from .key_schedule import STALE_AFTER
from .models import SECOND, RefreshTokenKey

RefreshTokenKeys = tuple[RefreshTokenKey, ...]
LEAD_TIME = 2 * STALE_AFTER
"""Seconds between a key's creation and its first use: every process that still answers has read it by then."""
_IN_USE_EVERYWHERE = 3600
_LATE = 4 * STALE_AFTER


def newest(keys: RefreshTokenKeys, now: int) -> RefreshTokenKey:
    """The key of new authorizations: the newest whose time has come; in need the newest of all."""
    good = [key for key in keys if key.revoked_at is None] or list(keys)
    return max([key for key in good if key.active_at <= now] or good, key=lambda key: (key.active_at, key.id))


def waiting(keys: RefreshTokenKeys, now: int) -> RefreshTokenKey | None:
    """The key that is not yet used. One whose time is further away than any lead time was announced by a
    clock that was ahead: nobody has to wait for it."""
    soon = now + LEAD_TIME * SECOND
    return next((key for key in keys if now < key.active_at <= soon and key.revoked_at is None), None)


def replaced(keys: RefreshTokenKeys, now: int) -> RefreshTokenKeys:
    """The keys that no process has used for new authorizations for an hour; they go once no row names them."""
    newest_now = newest(keys, now) if keys else None
    if newest_now is None or newest_now.active_at + _IN_USE_EVERYWHERE * SECOND > now:
        return ()
    return tuple(key for key in keys if key.revoked_at is not None or key.active_at < newest_now.active_at)


def has_late_logins(keys: RefreshTokenKeys, now: int) -> bool:
    """Whether a process that has not read the keys again may begin logins under a key that was revoked just now."""
    return any(key.revoked_at is not None and abs(now - key.revoked_at) < _LATE * SECOND for key in keys)

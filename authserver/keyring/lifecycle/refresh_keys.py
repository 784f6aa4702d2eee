"""Changes the refresh-token keys, within the caller's transaction."""

from hashlib import sha256

from ...domain import refresh_key_schedule
from ...domain.errors import Refused
from ...domain.models import SECOND, RefreshTokenKey
from ...domain.refresh_key_schedule import RefreshTokenKeys
from ...store import refresh_token_keys, signing_keys
from ...store.database import Connection
from ..envelope import KeyEncryptionKeys


class RefreshKeyWaits(Refused):
    """A new key exists already: `waiting` will replace the current one without further action."""

    def __init__(self, waiting: RefreshTokenKey) -> None:
        super().__init__(f"The refresh-token key {waiting.id} already waits to replace the current one.")
        self.waiting = waiting


def check_rotatable(keys: RefreshTokenKeys, now: int) -> None:
    """Raise RefreshKeyWaits if a new key is waiting already."""
    waiting = refresh_key_schedule.waiting(keys, now)
    if waiting:
        raise RefreshKeyWaits(waiting)


def rotate(
    connection: Connection, keys: RefreshTokenKeys, keks: KeyEncryptionKeys, key: bytes, now: int
) -> RefreshTokenKey:
    """Add a key for new authorizations; existing ones keep theirs. Raises RefreshKeyWaits."""
    check_rotatable(keys, now)
    new = new_refresh_key(keks, key, now=now, active_at=now + refresh_key_schedule.LEAD_TIME * SECOND)
    signing_keys.add_refresh_key(connection, new)
    return new


def replace(connection: Connection, keks: KeyEncryptionKeys, key: bytes, now: int) -> int:
    """Revoke every refresh-token key, end every authorization, and add a new key. Returns how many ended."""
    refresh_token_keys.revoke_all(connection, now)
    signing_keys.add_refresh_key(connection, new_refresh_key(keks, key, now=now, active_at=now))
    return refresh_token_keys.end_authorizations(connection, now)


def remove_unused(connection: Connection, keys: RefreshTokenKeys, now: int) -> list[str]:
    """Remove the replaced keys that no authorization names, and return their ids."""
    return [
        key.id
        for key in refresh_key_schedule.replaced(keys, now)
        if refresh_token_keys.remove_unused(connection, key.id)
    ]


def new_refresh_key(keks: KeyEncryptionKeys, key: bytes, *, now: int, active_at: int) -> RefreshTokenKey:
    id = "refresh-" + sha256(b"authserver refresh-token key id" + key).hexdigest()[:16]
    return RefreshTokenKey(id, keks.wrap(id, key), now, active_at)

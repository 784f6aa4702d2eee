"""Changes of the ring, the keys that make refresh tokens, within the caller's transaction."""

from ..domain import ring_schedule
from ..domain.errors import Refused
from ..domain.models import SECOND, RingKey
from ..store import ring_keys, signing_keys
from ..store.database import Connection
from .first import new_ring_key
from .sealing import KeyEncryptionKeys

Ring = tuple[RingKey, ...]


class RingKeyWaits(Refused):
    """A new key is announced already; `waiting` takes over by itself."""

    def __init__(self, waiting: RingKey) -> None:
        super().__init__(f"The ring key {waiting.id} is announced already, and takes over by itself.")
        self.waiting = waiting


def check_rotatable(ring: Ring, now: int) -> None:
    """Raises RingKeyWaits."""
    waiting = ring_schedule.waiting(ring, now)
    if waiting:
        raise RingKeyWaits(waiting)


def rotate(connection: Connection, ring: Ring, keks: KeyEncryptionKeys, key: bytes, now: int) -> RingKey:
    """Announce a key for new logins; those of today keep theirs. Raises RingKeyWaits."""
    check_rotatable(ring, now)
    new = new_ring_key(keks, key, now=now, active_at=now + ring_schedule.LEAD_TIME * SECOND)
    signing_keys.add_ring_key(connection, new)
    return new


def replace(connection: Connection, keks: KeyEncryptionKeys, key: bytes, now: int) -> int:
    """Revoke every key of the ring, end every login, and begin with a new key. Returns how many logins ended."""
    ring_keys.revoke_all(connection, now)
    signing_keys.add_ring_key(connection, new_ring_key(keks, key, now=now, active_at=now))
    return ring_keys.end_logins(connection, now)


def remove_unused(connection: Connection, ring: Ring, now: int) -> list[str]:
    """Returns the ids of the keys that went."""
    return [key.id for key in ring_schedule.replaced(ring, now) if ring_keys.remove_unused(connection, key.id)]

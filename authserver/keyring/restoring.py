"""The keys of a restored database: the backup's and the replaced database's, sealed under this server's own key."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from ..domain.errors import Refused
from ..domain.key_schedule import KeyPolicy, Keys
from ..domain.models import RingKey
from ..domain.restored_keys import is_fresh, restored, unheld
from ..store import restoring, ring_keys, signing_keys
from ..store.database import Connection
from ..store.signing_keys import KeyState
from . import first
from .backup import Opened, opened_by, resealed
from .private_keys import PrivateKeys
from .sealing import KeyEncryptionKeys

_STRANGER = (
    "The database that would be replaced shares no signing key with the backup: it is another server's, or new, and "
    "nothing of it can be kept. Put it aside, then restore again:\n\n    mv authserver.db authserver.db.aside"
)
_UNKNOWN = (
    "Neither the backup nor the database here has a key {}. To see them: --dry-run --json. A key that was made after "
    "the backup is not in it, and needs no --revoked."
)


@dataclass(frozen=True, slots=True)
class Tools:
    keys: PrivateKeys
    """Where new keys are made, with what seals here."""
    policy: KeyPolicy
    max_token_ttl: int
    """Seconds: the longest lifetime of a token by the settings."""
    now: int
    new_key: Callable[[], bytes]


def restore_keys(
    connection: Connection, opened: Opened, replaced: KeyState | None, revoked: Collection[str], tools: Tools
) -> Keys:
    """Write the keys. Returns the active ones that verifiers may not have. Raises Refused."""
    backup, others = signing_keys.load(connection), replaced or KeyState((), ())
    _check(backup.signing_keys, others.signing_keys, revoked)
    keks, now = tools.keys.keks, tools.now
    private = _private(backup.signing_keys, opened.keks, keks) | _private(others.signing_keys, keks, keks)
    keys = restored(backup.signing_keys, others.signing_keys, private, revoked, now)
    restoring.put_keys(connection, keys, _ring(backup.ring, others.ring, opened.keks, tools))
    ring_keys.end_logins(connection, now)
    first.create_missing(connection, tools.keys, now=now, max_token_ttl=tools.max_token_ttl, new_key=tools.new_key)
    fresh = backup.signing_keys if is_fresh(opened.made_at, tools.policy, now) else ()
    published_by = fresh if replaced is None else others.signing_keys
    return unheld(signing_keys.load(connection).signing_keys, published_by, tools.policy, now)


def _check(backup: Keys, replaced: Keys, revoked: Collection[str]) -> None:
    theirs, ours = ({key.kid for key in keys} for keys in (backup, replaced))
    if ours and not theirs & ours:
        raise Refused(_STRANGER)
    for kid in revoked:
        if kid not in theirs | ours:
            raise Refused(_UNKNOWN.format(kid))


def _private(keys: Keys, keks: KeyEncryptionKeys, new: KeyEncryptionKeys) -> dict[str, str]:
    """What can be used of the private parts, sealed anew."""
    kept = opened_by({key.kid: key.sealed for key in keys if key.sealed}, keks)
    return resealed(kept, keks, new)


def _ring(
    backup: tuple[RingKey, ...], replaced: tuple[RingKey, ...], keks: KeyEncryptionKeys, tools: Tools
) -> list[RingKey]:
    """The backup's, for they make the refresh tokens of its logins; what was revoked since is revoked."""
    sealed = resealed({key.id: key.sealed for key in backup}, keks, tools.keys.keks)
    revoked_at = {key.id: key.revoked_at for key in replaced}
    ring = [replace(key, sealed=sealed[key.id], revoked_at=key.revoked_at or revoked_at.get(key.id)) for key in backup]
    if all(key.revoked_at is not None for key in ring):
        ring.append(first.new_ring_key(tools.keys.keks, tools.new_key(), now=tools.now, active_at=tools.now))
    return ring

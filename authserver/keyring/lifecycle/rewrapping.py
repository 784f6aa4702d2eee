"""Changes the key-encryption key of what is sealed in the database, within the caller's transaction."""

from dataclasses import replace

from ...domain.errors import ChangedMeanwhile
from ...store import ring_keys, signing_keys
from ...store.database import Connection
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys, is_wrapped


def rewrap(connection: Connection, state: KeyState, keks: KeyEncryptionKeys) -> int:
    """Returns how many keys were sealed anew. What was destroyed or resealed meanwhile stays as it is by then. Raises
    ChangedMeanwhile if a key was changed beside the lock."""
    older = wrapped_by_older(state, keks)
    written = [
        signing_keys.change(connection, key, replace(key, sealed=_resealed(keks, key.kid, key.sealed or "")))
        for key in state.signing_keys
        if key.kid in older
    ]
    written += [
        ring_keys.reseal(connection, key.id, key.sealed, _resealed(keks, key.id, key.sealed))
        for key in state.ring
        if key.id in older
    ]
    if not all(written):
        raise ChangedMeanwhile("A key was changed meanwhile: nothing was written. Try again.")
    return len(written)


def wrapped_by_older(state: KeyState, keks: KeyEncryptionKeys) -> set[str]:
    """The ids of the keys that are not sealed by the newest key-encryption key."""
    kept = {key.kid: key.sealed for key in state.signing_keys if key.sealed and is_wrapped(key.sealed)}
    sealed = kept | {key.id: key.sealed for key in state.ring}
    return {id for id, text in sealed.items() if not keks.is_newest(text)}


def _resealed(keks: KeyEncryptionKeys, row: str, sealed: str) -> str:
    return keks.wrap(row, keks.unwrap(row, sealed))

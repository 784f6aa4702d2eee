"""Changes the key-encryption key that wraps the keys in the database, within the caller's transaction."""

from dataclasses import replace

from ...domain.errors import ChangedMeanwhile
from ...store import refresh_token_keys, signing_keys, subject_keys
from ...store.database import Connection
from ...store.signing_keys import KeyState
from ..envelope import KeyEncryptionKeys, is_wrapped


def rewrap(connection: Connection, state: KeyState, keks: KeyEncryptionKeys) -> int:
    """Wrap every key that an older key-encryption key wraps under the newest one, and return the number of keys. Raises
    ChangedMeanwhile if a key was changed in spite of the lock."""
    older = wrapped_by_older(state, keks)
    written = [
        signing_keys.change(connection, key, replace(key, wrapped=_rewrapped(keks, key.kid, key.wrapped or "")))
        for key in state.signing_keys
        if key.kid in older
    ]
    written += [
        refresh_token_keys.rewrap(connection, key.id, key.wrapped, _rewrapped(keks, key.id, key.wrapped))
        for key in state.refresh_keys
        if key.id in older
    ]
    if (key := state.subject_key) and key.id in older:
        written.append(subject_keys.rewrap(connection, key.id, key.wrapped, _rewrapped(keks, key.id, key.wrapped)))
    if not all(written):
        raise ChangedMeanwhile("A key was changed by another command: nothing was written. Try again.")
    return len(written)


def wrapped_by_older(state: KeyState, keks: KeyEncryptionKeys) -> set[str]:
    """Return the ids of the keys that the newest key-encryption key does not wrap."""
    signing_keys = {key.kid: key.wrapped for key in state.signing_keys if key.wrapped and is_wrapped(key.wrapped)}
    wrapped = signing_keys | {key.id: key.wrapped for key in state.refresh_keys}
    wrapped |= {state.subject_key.id: state.subject_key.wrapped} if state.subject_key else {}
    return {id for id, text in wrapped.items() if not keks.is_newest(text)}


def _rewrapped(keks: KeyEncryptionKeys, row: str, wrapped: str) -> str:
    return keks.wrap(row, keks.unwrap(row, wrapped))

"""Secrets of a backup: sealed under a passphrase instead of the key-encryption keys, which are not in it.

With them goes a digest of everything else, so that whoever has the file and not the passphrase can change nothing in it
unnoticed: no password, no client, no login.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from ..domain.errors import Misconfigured
from ..store import backup
from ..store.database import Connection
from .envelope import KeyEncryptionKeys, is_wrapped
from .passphrase import Stretching

_FORMAT = 1
_ROW = "backup"
_CHANGED = "The backup was changed since it was made: take another copy of it."
_DAMAGED = "The backup is damaged: it does not say how its passphrase is used."


class Unreadable(ValueError):
    """No backup, or none that this version and this passphrase open; the text says which."""


@dataclass(frozen=True, slots=True)
class Opened:
    made_at: int
    """Microseconds since the epoch."""
    keks: KeyEncryptionKeys
    """What opens the secrets in it."""


def seal(connection: Connection, keks: KeyEncryptionKeys, passphrase: str, *, salt: bytes, now: int) -> None:
    """Make a backup of a copy, which until now is sealed under `keks`. Raises Misconfigured."""
    stretching = Stretching(salt)
    keys = stretching.keys(passphrase)
    backup.put_secrets(connection, resealed(backup.load_secrets(connection), keks, keys))
    inside = json.dumps({"made_at": now, "digest": backup.digest(connection)})
    backup.add_header(connection, backup.Header(_FORMAT, stretching.as_text(), keys.wrap(_ROW, inside.encode())))


def unseal(connection: Connection, passphrase: str) -> Opened:
    """Make a database of a copy of a backup; its secrets stay sealed under the passphrase. Raises Unreadable."""
    header = _header(connection)
    if header.format != _FORMAT:
        raise Unreadable("A newer authserver made this backup. Install that version: pip install --upgrade authserver")
    try:
        keys = Stretching.from_text(header.stretching).keys(passphrase)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(_DAMAGED) from error
    inside = _opened(keys, header.wrapped)
    if inside["digest"] != _digest(connection):
        raise Unreadable(_CHANGED)
    backup.remove_header(connection)
    return Opened(inside["made_at"], keys)


def resealed(secrets: Mapping[str, str], keks: KeyEncryptionKeys, new: KeyEncryptionKeys) -> dict[str, str]:
    """By the ids of their rows. What is kept elsewhere (a key service's name for it) stays as it is. Raises
    Misconfigured."""
    return {id: new.wrap(id, keks.unwrap(id, kept)) if is_wrapped(kept) else kept for id, kept in secrets.items()}


def opened_by(secrets: Mapping[str, str], keks: KeyEncryptionKeys, elsewhere: Collection[str] = ()) -> dict[str, str]:
    """Those that can be used here; `elsewhere` has what a key service keeps."""
    here = {id for id, kept in secrets.items() if is_wrapped(kept) and _opens(keks, id, kept)}
    return {id: kept for id, kept in secrets.items() if id in here or kept in elsewhere}


def _header(connection: Connection) -> backup.Header:
    try:
        header = backup.load_header(connection)
    except backup.Malformed as error:
        raise Unreadable(_DAMAGED) from error
    if header is None:
        raise Unreadable("It is no backup that `authserver backup` made.")
    return header


def _digest(connection: Connection) -> str:
    try:
        return backup.digest(connection)
    except backup.Malformed as error:
        raise Unreadable(_CHANGED) from error


def _opens(keks: KeyEncryptionKeys, id: str, kept: str) -> bool:
    try:
        keks.unwrap(id, kept)
    except Misconfigured:
        return False
    return True


def _opened(keys: KeyEncryptionKeys, sealed: str) -> dict[str, Any]:
    try:
        inside: dict[str, Any] = json.loads(keys.unwrap(_ROW, sealed))
    except (Misconfigured, RecursionError) as error:
        raise Unreadable("The passphrase does not open the backup.") from error
    return inside

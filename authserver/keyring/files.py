"""Reads and writes key-encryption keys: files with one 32-byte key each, in base64url, readable only by the server's
user.

The file whose name sorts last is the newest: it wraps, and each can unwrap.
"""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

from ..domain import base64url, key_rules
from ..domain.errors import Misconfigured
from ..domain.models import SECOND
from ..file_modes import how_to_own, user_name, writable_by_others

_PATTERN = "kek-*.key"
_MOUNTED_OWNER = (
    " If a mount sets owner and mode, as Kubernetes does for secrets with fsGroup, give the path of the file as"
    " AUTHSERVER_KEY_ENCRYPTION_KEY_FILE (docs/reference/files.md)."
)
_MOUNTED = f"{_MOUNTED_OWNER} Otherwise, fix the file"
_NAME_ANOTHER = "Name a folder that the server may write to:\n\n    AUTHSERVER_KEYS_DIR=/path/to/keys"


def read(folder: Path) -> dict[str, bytes]:
    """Return the keys by the path of their file, oldest first. Raises Misconfigured if another user can read or replace
    a file, or can write to the folder."""
    fix = writable_by_others(folder)
    if fix:
        raise Misconfigured(f"{folder} can be written by others, who could add a key of their own:\n\n    {fix}")
    try:
        paths = sorted(path for path in folder.iterdir() if path.match(_PATTERN))
    except FileNotFoundError:
        return {}
    except NotADirectoryError as error:
        raise Misconfigured(f"{folder} is not a folder. {_NAME_ANOTHER}") from error
    except OSError as error:
        raise Misconfigured(_why_unreadable(folder, error)) from error
    return {str(path): _read_key(path) for path in paths}


def create(folder: Path, key: bytes, now: int) -> Path:
    """Write a new key-encryption key, durably and for the owner only. Raises Misconfigured if that is impossible."""
    made = datetime.fromtimestamp(now / SECOND, UTC).strftime("%Y%m%dT%H%M%S%fZ")
    path = folder / f"kek-{made}.key"
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        _write_durably(path, f"{base64url.encode(key)}\n".encode())
    except OSError as error:
        raise Misconfigured(
            f"The key-encryption key cannot be written to {folder}: {error.strerror}. {_NAME_ANOTHER}"
        ) from error
    return path


def _write_durably(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "wb") as stream:
        os.fchmod(stream.fileno(), 0o600)  # whatever the umask is
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _read_key(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # opening a pipe must not block
    except OSError as error:
        raise Misconfigured(_why_unreadable(path, error)) from error
    try:
        _check_owner_and_mode(path, os.fstat(file))
        return parse_key(os.read(file, 256).decode("ascii", "replace"), str(path))
    finally:
        os.close(file)


def _why_unreadable(path: Path, error: OSError) -> str:
    if path.is_symlink():
        fix = f"install -m 600 {quote(os.path.realpath(path))} {quote(str(path))}"
        return f"{path} is a symbolic link; a key-encryption key must be a regular file.{_MOUNTED}:\n\n    {fix}"
    return f"{path} cannot be read: {error.strerror}. {how_to_own(path, _owner(path))}"


def _owner(path: Path) -> int:
    """Return the id of the user who owns the file; root's if it cannot be read."""
    try:
        return path.lstat().st_uid
    except OSError:
        return 0


def _check_owner_and_mode(path: Path, status: os.stat_result) -> None:
    name = quote(str(path))
    if not stat.S_ISREG(status.st_mode):
        raise Misconfigured(f"{path} is not a regular file. Move it away:\n\n    mv {name} {name}.moved")
    if status.st_uid != os.geteuid():
        raise Misconfigured(
            f"{path} belongs to another user, {user_name(status.st_uid)}.{_MOUNTED_OWNER} "
            f"{how_to_own(path, status.st_uid)}"
        )
    if status.st_mode & 0o077:
        raise Misconfigured(f"{path} can be read by others.{_MOUNTED}:\n\n    chmod 600 {name}")


def parse_key(text: str, where: str) -> bytes:
    """Decode 43 characters of base64url to 32 bytes. Raises Misconfigured, naming `where` and never the text."""
    try:
        return key_rules.key_encryption_key(text.strip())
    except ValueError:
        raise Misconfigured(
            f"{where} does not contain a key-encryption key (32 bytes in base64url). Restore it from your backup; "
            "without it the keys in the database are lost:\n\n"
            f"    cp /path/to/backup/{Path(where).name} {quote(where)}"
        ) from None

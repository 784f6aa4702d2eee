"""Where `authserver serve` listens: an address, a Unix socket, or a socket that is open already."""

import fcntl
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

_BACKLOG = 2048  # connections


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        return _open(listener)
    except OSError as error:
        listener.close()
        raise click.ClickException(
            f"Cannot listen on port {port} of {host}: {error.strerror}. Choose another:\n\n"
            f"    authserver serve --host {host} --port {port + 1 if port < 65535 else 0}"
        ) from None


def adopt(fd: int) -> socket.socket:
    """A socket that was opened by who started this process."""
    try:
        return _open(socket.socket(fileno=fd))
    except OSError as error:
        raise click.UsageError(f"--fd {fd} is not an open socket: {error.strerror}.") from None


@contextmanager
def unix_socket(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listens at `path`, which gets this mode, and is removed at the end if it is still the same one."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _folder_held(path.absolute().parent):
            _remove_stale(path)
            _bind(listener, path, mode)
            _open(listener)
            made = _identity(path)
    except OSError as error:
        listener.close()
        raise click.ClickException(f"Cannot listen on {path}: {error.strerror or error}.") from None

    def remove() -> None:
        with suppress(OSError):
            if _identity(path) == made:
                path.unlink()

    def leave(number: int, frame: object) -> None:
        """uvicorn raises SIGTERM again when it has shut down, which would end this process before `finally`."""
        remove()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield listener
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.close()
        remove()


def shown(listener: socket.socket) -> str:
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(listener.getsockname())}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _open(listener: socket.socket) -> socket.socket:
    listener.listen(_BACKLOG)  # whoever connects before the first worker is ready waits, and is not refused
    listener.set_inheritable(True)
    return listener


def _bind(listener: socket.socket, path: Path, mode: int) -> None:
    before = os.umask(0o777 & ~mode)  # there is no moment at which others could connect
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)


def _remove_stale(path: Path) -> None:
    """Of a server that was killed. Whatever else is there stays, and so does a socket that somebody listens on."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError("there is something else than a socket, which is not removed")
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(5)
        try:
            caller.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except (BlockingIOError, TimeoutError):
            pass  # somebody listens, and is busy
    raise OSError("another server listens there")


@contextmanager
def _folder_held(folder: Path) -> Iterator[None]:
    """Two that start at once must not take each other's socket for a stale one."""
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _identity(path: Path) -> tuple[int, int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino, status.st_ctime_ns

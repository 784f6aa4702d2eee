"""Opens the socket of `authserver serve`: an address, a Unix socket, or a socket that is already open."""

import errno
import fcntl
import os
import signal
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

_BACKLOG = 2048  # connections
_UNIX = "unix:"
_MANAGEMENT_MODE = 0o660


class CannotListen(Exception):
    """The server cannot listen. The text says why, and what to do."""


def listen(host: str, port: int, another: str = "authserver serve --host {host} --port {port}") -> socket.socket:
    """Listen on a host and port. `another` is the command that chooses another port. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        return _open(listener)
    except OSError as error:
        listener.close()
        raise CannotListen(_why(host, port, error, another)) from None


@contextmanager
def management(address: str) -> Iterator[socket.socket]:
    """Listen on AUTHSERVER_MANAGEMENT_ADDRESS, whose form the settings have checked. Raises CannotListen."""
    if address.startswith(_UNIX):
        with unix_socket(Path(address.removeprefix(_UNIX)), _MANAGEMENT_MODE) as listener:
            yield listener
        return
    host, _, port = address.rpartition(":")
    another = f"AUTHSERVER_MANAGEMENT_ADDRESS={host}:{{port}}"
    with closing(listen(host.strip("[]"), int(port), another)) as listener:
        yield listener


def adopt(fd: int) -> socket.socket:
    """Listen on a socket that the parent process opened, by its file descriptor. Raises CannotListen."""
    try:
        return _open(socket.socket(fileno=fd))
    except OSError as error:
        raise CannotListen(f"--fd {fd} is not an open socket: {error.strerror}.") from None


@contextmanager
def unix_socket(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listen at `path`, with this file mode. At the end, remove the file if it is still the same socket. Raises
    CannotListen."""
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _folder_held(path.absolute().parent):
            _remove_stale(path)
            _bind(listener, path, mode)
            _open(listener)
            identity = _identity(path)
    except OSError as error:
        listener.close()
        raise CannotListen(f"Cannot listen on {path}: {error.strerror or error}.") from None

    def remove() -> None:
        with suppress(OSError):
            if _identity(path) == identity:
                path.unlink()

    def leave(number: int, _frame: object) -> None:
        """Remove the socket on SIGTERM: uvicorn raises it again after shutdown, which would skip `finally`."""
        remove()
        signal.signal(number, before)  # perhaps the handler of another Unix socket
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield listener
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.close()
        remove()


def url_of(listener: socket.socket) -> str:
    """Return the URL at which the socket listens; `unix:` and the path for a Unix socket."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(listener.getsockname())}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why(host: str, port: int, error: OSError, another: str) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Cannot listen on {host}, port {port}: {error.strerror}."
    line = another.format(host=host, port=port + 1 if port < 65535 else 0)
    return f"Port {port} is already in use. Choose another:\n\n    {line}"


def _open(listener: socket.socket) -> socket.socket:
    listener.listen(_BACKLOG)  # clients can connect before the first worker is ready, and wait
    listener.set_inheritable(True)
    return listener


def _bind(listener: socket.socket, path: Path, mode: int) -> None:
    before = os.umask(0o777 & ~mode)  # so that others can never connect, not even for a moment
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a server that was killed. Raises OSError for any other file and for a socket in use."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError("this file exists and is not a socket; it was not removed")
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(5)
        try:
            caller.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except (BlockingIOError, TimeoutError):
            pass  # a busy server is listening
    raise OSError("another server is already listening there")


@contextmanager
def _folder_held(folder: Path) -> Iterator[None]:
    """Lock the folder: two servers that start at once must not mistake each other's socket for a stale one."""
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

"""One request and its response, over one connection to an address that has been checked.

It uses http.client directly: no redirects, no proxies from the environment, no cookies, no file: URLs. For a private
CA, setting SSL_CERT_FILE is enough.
"""

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ssl import create_default_context
from threading import Timer
from urllib.parse import SplitResult

from .. import system
from ..domain.models import SECOND
from ..domain.outgoing import Address
from .errors import FetchFailed

MAX_BODY = 65536
"""Bytes of a response's body."""


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._seconds, self._ends_at = seconds, system.steady() + int(seconds * SECOND)

    def left(self) -> float:
        """Return the seconds that are left. Raises FetchFailed if there are none."""
        left = self._ends_at - system.steady()
        if left <= 0:
            raise FetchFailed(f"There was no complete response within {self._seconds:g} s.")
        return left / SECOND


def post(
    url: SplitResult, addresses: Sequence[Address], body: bytes, headers: Mapping[str, str], deadline: Deadline
) -> Response:
    """POST to the first of the addresses that accepts a connection. Raises FetchFailed."""
    try:
        with _connected(url, addresses, deadline) as connection:
            # identity: a response of a few bytes must not decompress to gigabytes
            fixed = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "authserver"}
            connection.request("POST", _target(url), body, {**fixed, **headers})
            with connection.getresponse() as response:
                return _read(response, deadline)
    except (OSError, HTTPException) as error:
        deadline.left()
        raise FetchFailed(f"There was no response ({_described(error)}).") from error


@contextmanager
def _connected(url: SplitResult, addresses: Sequence[Address], deadline: Deadline) -> Iterator[HTTPConnection]:
    """Yield a connection that has its socket already: http.client would resolve the name again."""
    host, is_tls = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if is_tls else 80)
    connection = (HTTPSConnection if is_tls else HTTPConnection)(host, port)
    sock = _open(addresses, port, deadline)
    try:
        if is_tls:
            # A context of our own: people patch the process-wide default to disable verification.
            sock = create_default_context().wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        with _cut_off(sock, deadline):
            if is_tls:
                sock.do_handshake()  # type: ignore[attr-defined]
            connection.sock = sock
            yield connection
    finally:
        connection.close()
        sock.close()


def _open(addresses: Sequence[Address], port: int, deadline: Deadline) -> socket.socket:
    for address in addresses[:-1]:
        with suppress(OSError):  # at most half of the time, so that some is left for the next address
            return socket.create_connection((str(address), port), deadline.left() / 2)
    return socket.create_connection((str(addresses[-1]), port), deadline.left())


@contextmanager
def _cut_off(sock: socket.socket, deadline: Deadline) -> Iterator[None]:
    """A socket's timeout applies to one read; this ends the exchange with a server that sends a byte at a time."""
    watchdog = Timer(deadline.left(), _shut_down, (sock,))
    watchdog.daemon = True
    sock.settimeout(deadline.left())
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # already closed
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's, which removes what the other thread uses


def _read(response: HTTPResponse, deadline: Deadline) -> Response:
    headers = {name.lower(): value for name, value in response.getheaders()}
    body = response.read(MAX_BODY + 1)
    deadline.left()  # a body without a length may have been cut off
    if len(body) > MAX_BODY:
        raise FetchFailed(f"The response is larger than {MAX_BODY} bytes.")
    return Response(response.status, headers, body)


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _described(error: Exception) -> str:
    """Describe an error. The text of an error from http.client may contain what the other server sent."""
    kind = type(error).__name__
    return str(error) or kind if isinstance(error, OSError) and not isinstance(error, HTTPException) else kind

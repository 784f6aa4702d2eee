"""The default transport: one GET with limits on time and size. The first guard that fetches imports it (10 ms).

It uses http.client directly: no redirects, no proxies from the environment, no cookies, no file: URLs. For a proxy or a
client certificate, pass `Guard(fetch=...)`; for a private CA, setting SSL_CERT_FILE is enough.
"""

import encodings.idna  # noqa: F401 - the first fetch would import it, and a fork during an import hangs the child
import socket
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from ssl import create_default_context
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from .clock import steady
from .source import MAX_BODY, Fetched

TIMEOUT = 3.0  # seconds, for the whole exchange


def fetch(url: str, headers: Mapping[str, str]) -> Fetched:
    """GET `url` within 3 s and 64 KiB. Raises OSError or http.client.HTTPException if there is no response."""
    deadline = steady() + TIMEOUT
    parts = urlsplit(url)
    connection = _connection(parts)
    try:
        connection.connect()
        # A socket's timeout applies to one read; this ends the exchange with a server that sends a byte at a time.
        watchdog = Timer(max(0.0, deadline - steady()), _cut, (connection.sock,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return _exchange(connection, parts.path + (f"?{parts.query}" if parts.query else ""), headers)
        finally:
            watchdog.cancel()
    finally:
        connection.close()


def _connection(parts: SplitResult) -> HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        # A context of our own: people patch the process-wide default to disable verification.
        return HTTPSConnection(host, parts.port, timeout=TIMEOUT, context=create_default_context())
    return HTTPConnection(host, parts.port, timeout=TIMEOUT)


def _exchange(connection: HTTPConnection, target: str, headers: Mapping[str, str]) -> Fetched:
    # identity: a response of a few bytes must not decompress to gigabytes
    fixed = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
    connection.request("GET", target or "/", headers={**fixed, "User-Agent": "authserver.resource", **headers})
    with connection.getresponse() as response:
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Fetched(response.status, fields, response.read(MAX_BODY + 1))


def _cut(sock: socket.socket) -> None:
    with suppress(OSError):  # already closed
        sock.shutdown(socket.SHUT_RDWR)

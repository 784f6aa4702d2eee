"""An HTTP or HTTPS server that records what it receives, and sends the bytes that the test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


def responding(status: int = 200, body: bytes = b"", **headers: str) -> Callable[[BinaryIO], object]:
    """A whole response, as the test's `respond`."""
    fields = {"Content-Length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
    lines = "".join(f"{name}: {text}\r\n" for name, text in fields.items())
    response = f"HTTP/1.1 {status} Reason\r\n{lines}\r\n".encode() + body
    return lambda connection: connection.write(response)


@dataclass
class Receiver:
    port: int = 0
    received: list[Received] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    """The host that each TLS client asked for."""
    respond: Callable[[BinaryIO], object] = responding(204)


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    """A server on 127.0.0.1 with the `crt` and `key` in the folder; without a folder, it speaks plain HTTP."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): text for name, text in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            receiver.received.append(Received(self.path, headers, body))
            self.close_connection = True
            with suppress(OSError):  # the client has gone
                receiver.respond(self.wfile)  # type: ignore[arg-type]

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # the client refused the certificate
    if certificate is not None:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "crt", certificate / "key")
        context.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A client's own server, as far as a browser sees it: it keeps what it is sent, and answers with an empty page."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Callback(ThreadingHTTPServer):
    """As `localhost` it is another site than a server on 127.0.0.1; as 127.0.0.1 another origin of the same site."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://localhost:{self.server_port}/callback"
        self.same_site = f"http://127.0.0.1:{self.server_port}/"
        self.received: list[tuple[str, dict[str, str]]] = []
        """The method and the parameters of each request for /callback."""


class _Handler(BaseHTTPRequestHandler):
    server: Callback

    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, encoded: str) -> None:
        if urlsplit(self.path).path == "/callback":
            self.server.received.append((self.command, dict(parse_qsl(encoded, keep_blank_values=True))))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b'<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Client</title></html>')

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def listening() -> Iterator[Callback]:
    callback = Callback()
    thread = threading.Thread(target=callback.serve_forever)
    thread.start()
    yield callback
    callback.shutdown()
    thread.join()
    callback.server_close()

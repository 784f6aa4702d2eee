"""A network between the servers and their PostgreSQL that can drop every packet, like a broken switch."""

import socket
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from tests.harness.postgres import Postgres


class Network:
    """Connections through `url(database)`. While it drops packets, neither data nor the end of a connection arrives; a
    new connection is accepted and gets no response. Afterwards the data arrives late, as when TCP sends it again."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres, self._passes, self._is_open = postgres, Event(), True
        self._passes.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        Thread(target=self._accept, daemon=True).start()

    def url(self, database: str) -> str:
        port = self._listener.getsockname()[1]
        return f"postgresql+psycopg://postgres@/{database}?host=127.0.0.1&port={port}&sslmode=disable"

    def swallow(self) -> None:
        self._passes.clear()

    def pass_on(self) -> None:
        self._passes.set()

    def close(self) -> None:
        self._is_open = False
        self._passes.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in (self._listener, *self._sockets):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while self._is_open:
                client, _ = self._listener.accept()
                Thread(target=self._connect, args=[client], daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._sockets += [client, server]
        self._passes.wait()
        try:
            server.connect(f"{self._postgres.folder}/.s.PGSQL.5432")
        except OSError:
            client.close()
            return
        Thread(target=self._pump, args=[client, server], daemon=True).start()
        self._pump(server, client)

    def _pump(self, source: Any, target: Any) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                target.sendall(data)
        self._passes.wait()
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

"""The server as real processes: one node or several on one database, whole or with a fault planted in it.

`with set_up("postgresql", 2) as server` has a database of its own, initialised; nothing runs yet.
`server.start()` starts every node under `server.settings` and waits until they are ready; `server.nodes[1].kill()` ends
one of them (see Node); `server.database.stop("immediate")` takes away what they stand on.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from time import monotonic

from tests.harness.constants import LONG, PASSWORD
from tests.harness.databases import Database, new_database
from tests.harness.http_client import Connection, Response, connect, post
from tests.harness.live import Live
from tests.harness.mutants import Mutant
from tests.harness.node import Node

_LOGINS_AT_ONCE = 8  # hashing a password is the server's dearest work; more at once only queue up


class Server:
    """A server that is set up once, and can be started any number of times."""

    def __init__(self, folder: Path, database: Database, nodes: int, **settings: str) -> None:
        self.folder, self.database = folder, database
        self.nodes = [Node(folder, number) for number in range(nodes)]
        own = {"ISSUER": self.nodes[0].url, "DATABASE_URL": database.url}
        # Hundreds of clients log in as one user, and some are killed while they do.
        limits = dict.fromkeys(("ACCOUNT_ATTEMPTS", "NETWORK_ATTEMPTS", "CLIENT_SECRET_ATTEMPTS"), "0")
        limits["MAX_AUTHORIZATIONS"] = "10000"
        self.settings = own | {"LOG_LEVEL": "warning"} | limits | settings
        """Of every node, at its next start."""
        for node in self.nodes:
            node.settings = self.settings

    def set_up(self) -> None:
        self.nodes[0].set_up()
        self.user, self.app, self.machine = self.nodes[0].user, self.nodes[0].app, self.nodes[0].machine

    @property
    def client_id(self) -> str:
        """The id of the public client that may log in and refresh."""
        return str(self.app["client_id"])

    @property
    def ports(self) -> list[int]:
        return [node.port for node in self.nodes]

    def run_by(self, program: Sequence[str] = Live.program) -> None:
        """The program that Python runs as each node, from its next start on."""
        for node in self.nodes:
            node.program = program

    @property
    def workers(self) -> int:
        """The number of processes of each node, from its next start on."""
        return self.nodes[0].workers

    @workers.setter
    def workers(self, many: int) -> None:
        for node in self.nodes:
            node.workers = many

    def start(self) -> None:
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait_until_ready()

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def log_sizes(self) -> list[int]:
        return [node.log.stat().st_size for node in self.nodes]

    def log(self, since: Sequence[int] = ()) -> str:
        """Return the logs of all nodes, one after the other; of each, the part after its size in `since`."""
        sizes = since or [0] * len(self.nodes)
        logs = (node.log.read_bytes()[size:] for node, size in zip(self.nodes, sizes, strict=True))
        return b"".join(logs).decode(errors="replace")

    def plant(self, fault: Mutant | None) -> None:
        """Plant a fault, from the next start on. Fails if the fault no longer fits the code."""
        package = Path(tempfile.mkdtemp(dir=self.folder)) if fault else None
        for node in self.nodes:
            node.package = package
        if fault and package:
            fault.put_into(package)
            self._assert_planted(package)

    def _assert_planted(self, package: Path) -> None:
        found = subprocess.run(
            [sys.executable, "-c", "import authserver; print(authserver.__file__)"],
            env=self.nodes[0].environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert Path(found).is_relative_to(package), found


@contextmanager
def set_up(kind: str = "sqlite", nodes: int = 1, /, **settings: str) -> Iterator[Server]:
    """Set up a server in a folder of its own. Whatever happens, none of its processes is left afterwards."""
    with set_up_on(partial(new_database, kind), nodes, **settings) as server:
        yield server


@contextmanager
def set_up_on(
    new_database: Callable[[Path], AbstractContextManager[Database]], nodes: int = 1, **settings: str
) -> Iterator[Server]:
    """Like `set_up`, on the database that is created in the server's folder."""
    with tempfile.TemporaryDirectory(prefix="authserver-bench-") as name, new_database(Path(name)) as database:
        server = Server(Path(name), database, nodes, **settings)
        server.set_up()
        try:
            yield server
        finally:
            server.kill()


async def logins(server: Server, many: int, username: str = "ada", password: str = PASSWORD) -> list[str]:
    """Log in, and return the first refresh token of each login."""
    request = log_in(server.client_id, username, password)
    shares = [len(range(place, many, _LOGINS_AT_ONCE)) for place in range(_LOGINS_AT_ONCE)]
    spread = zip(cycle(server.ports), (share for share in shares if share), strict=False)
    found = await asyncio.gather(*(_log_in(port, request, share) for port, share in spread))
    return [token for tokens in found for token in tokens]


def log_in(client_id: str, username: str = "ada", password: str = PASSWORD) -> bytes:
    """Return the request of a login."""
    form = {"grant_type": "password", "client_id": client_id, "username": username, "password": password}
    return post("/token", form)


async def _log_in(port: int, request: bytes, many: int) -> list[str]:
    connection = await connect(port)
    try:
        answers = [await _patiently(connection, request) for _ in range(many)]
    finally:
        connection.close()
    if any(answer.status != 200 for answer in answers):
        raise SystemExit(f"A login was refused: {answers}")
    return [str(answer.refresh_token) for answer in answers]


async def _patiently(connection: Connection, request: bytes) -> Response:
    """Ask again while the answer is 503: a busy machine may take longer for a password than it may wait."""
    until = monotonic() + LONG
    while (answer := await connection.ask(request)).status == 503 and monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(1)
    return answer


async def connections(ports: Sequence[int], many: int) -> list[Connection]:
    """Open connections to each port in turn."""
    spread = zip(cycle(ports), range(many), strict=False)
    return list(await asyncio.gather(*(connect(port) for port, _ in spread)))

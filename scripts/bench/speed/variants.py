"""Our server, run in several ways that are measured in turn."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bench.speed import sample
from scripts.bench.speed.clients import Clients
from scripts.bench.speed.targets import TIMED_SERVER, Raw, Usage, cpu_of, pin, raw_elsewhere
from tests.harness.databases import PostgresDatabase, new_database
from tests.harness.live import PROGRAM, Live, started


@dataclass(frozen=True)
class Variant:
    """One way to run our server."""

    workers: int = 1
    database: str = "sqlite"
    algorithm: str = "RS256"
    authorizations: int = 0
    """How many there are before the first request. There is at least one for each connection."""

    @property
    def name(self) -> str:
        rows = f", {self.authorizations:,} authorizations" if self.authorizations else ""
        workers = f", {self.workers} workers" if self.workers > 1 else ""
        return f"{self.algorithm}, {self.database}{workers}{rows}"


class Ours(Live):
    """Our server, pinned to as many of the first cores as it has workers. A single process measures the time of its
    signatures itself; with several workers, only the CPU time is known."""

    def __init__(
        self, folder: Path, variant: Variant, connections: int, database_url: str, cores: Sequence[int]
    ) -> None:
        keys = str(folder / "keys")
        limits = {"LOG_LEVEL": "warning", "MAX_AUTHORIZATIONS": "10000"}
        super().__init__(folder, variant.workers, DATABASE_URL=database_url, KEYS_DIR=keys, **limits)
        self.name, self.variant, self._cores = variant.name, variant, cores
        self.clients = Clients(self.port, connections)
        self._connections = connections
        self.program = TIMED_SERVER if variant.workers == 1 else ("-u", *PROGRAM)

    def set_up(self) -> None:
        settings = sample.settings_in(self.folder, self.url, database_url=self.settings["DATABASE_URL"])
        sample.prepare(settings, self._connections, self.variant.algorithm)
        many = max(self.variant.authorizations, self._connections)
        self.clients.own(sample.authorize_many(settings, many))

    def launch(self, program: Sequence[str] | None = None) -> None:
        super().launch(program)
        pin(self.running.pid, self._cores[: self.workers])

    def usage(self) -> Usage:
        if self.workers > 1:
            return Usage(cpu_of(self.running.pid), None)
        measures = self._ask("")
        return Usage(measures["cpu"], measures["signing"])

    def raw(self, kind: str, seconds: float) -> Raw:
        if self.workers > 1:
            return raw_elsewhere(kind, self._cores[0], seconds)
        return Raw(*self._ask(f"?{kind}={seconds}")[kind])

    def _ask(self, query: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/_bench{query}", timeout=60) as response:
            measures: dict[str, Any] = json.load(response)
            return measures


@contextmanager
def ours(folder: Path, variants: Sequence[Variant], connections: int, cores: Sequence[int]) -> Iterator[list[Ours]]:
    """Start our server in each of these ways, and yield all of them. Only one gets requests at a time."""
    with ExitStack() as stack:
        servers = []
        for number, variant in enumerate(variants):
            place = folder / str(number)
            place.mkdir()
            database = stack.enter_context(new_database(variant.database, place))
            if isinstance(database, PostgresDatabase):
                pin(database.postgres.pid, cores[:1])
            server = Ours(place, variant, connections, database.url, cores)
            server.set_up()
            servers.append(stack.enter_context(started(server)))
        yield servers

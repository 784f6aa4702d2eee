"""The base of the faults of faults.py: how a fault is prepared, strikes, and is undone."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.harness.databases import Database, PostgresDatabase, SqliteFile, missing, new_database
from tests.harness.mutants import Mutant
from tests.harness.node import Node
from tests.harness.server import Server
from tests.harness.standby import Pair
from tests.harness.true_clock import TrueClock

LASTS = 1.0
"""Seconds that most faults last."""
MET = 60
"""Seconds more, at most, until somebody has met it."""


class Fault:
    """A fault. `prepare` and `strike` are called in a thread, under load, in each round."""

    database, nodes, workers = "postgresql", 2, 1
    is_answered = True
    """Whether it must be answered 503 now and then: else it struck nothing."""
    loses_commits = False
    closes_connections = False
    """SIGHUP closes idle ones: who sends on one of them just then gets no answer, and asks again."""
    ahead = 0.0
    """By how many seconds the clock of a server that follows a right one may be ahead."""
    plant: Mutant | None = None
    """What `--blind` breaks: with that this fault must do harm."""

    def __init__(self) -> None:
        self.is_met: Callable[[], bool] = lambda: True
        """Whether somebody has got a 503 since it struck, where somebody must."""
        self.hits = 0
        """Connections that it ended, commits that it took away: what it counts."""

    def missing(self) -> str | None:
        """Return why this fault is not possible here; None if it is."""
        return missing(self.database)

    def new_database(self, folder: Path) -> AbstractContextManager[Database]:
        return new_database(self.database, folder)

    true_clock: TrueClock
    """Which is told when the server's is wrong."""

    def install(self, server: Server) -> None:
        """Prepare the fault before the servers start."""

    def remove(self, server: Server) -> None:
        """Clean up when the servers have ended."""

    def program(self, node: Node) -> Sequence[str]:
        """The program that Python runs as the server."""
        return ("-m", "authserver")

    def prepare(self, server: Server) -> None:
        pass

    def strike(self, server: Server) -> None:
        """Cause the fault. When this returns, everything is as before."""
        raise NotImplementedError

    def last(self, seconds: float = LASTS) -> None:
        """Let the fault last for a while, and until a request has met it: on a busy machine there may be none for some
        time."""
        sleep(seconds)
        until = monotonic() + MET
        while not self.is_met() and monotonic() < until:
            sleep(0.01)


class OnSqlite(Fault):
    database, nodes = "sqlite", 1


def postgres_of(server: Server) -> Any:
    assert isinstance(server.database, PostgresDatabase)
    return server.database.postgres


def name_of(server: Server) -> str:
    assert isinstance(server.database, PostgresDatabase)
    return server.database.name


def pair_of(server: Server) -> Pair:
    assert isinstance(server.database, Pair)
    return server.database


def file_of(server: Server) -> Path:
    assert isinstance(server.database, SqliteFile)
    return server.database.file

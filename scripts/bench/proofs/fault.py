"""The base class of the faults of faults.py: how a fault is prepared, strikes and is undone."""

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
"""How many seconds longer a fault lasts, at most, until a request has met it."""


class Fault:
    """A fault. `prepare` and `strike` are called in a thread, under load, in each round."""

    database, nodes, workers = "postgresql", 2, 1
    is_answered = True
    """Whether some requests must get a 503. If none does, the fault had no effect."""
    loses_commits = False
    closes_connections = False
    """Whether it closes idle connections, as SIGHUP does: a client that is just sending a request gets no response, and
    sends it again."""
    ahead = 0.0
    """By how many seconds a server's clock may be ahead although it follows a right clock."""
    plant: Mutant | None = None
    """What `--blind` plants in the server, so that this fault must do harm."""

    def __init__(self) -> None:
        self.is_met: Callable[[], bool] = lambda: True
        """Whether a request has got a 503 since the fault struck, or none has to."""
        self.hits = 0
        """How often it struck, as it counts that: for example, how many connections it ended."""

    def missing(self) -> str | None:
        """Return why this fault is not possible on this machine; None if it is possible."""
        return missing(self.database)

    def new_database(self, folder: Path) -> AbstractContextManager[Database]:
        return new_database(self.database, folder)

    true_clock: TrueClock
    """A right clock, which is told while the server's clock is wrong."""

    def install(self, server: Server) -> None:
        """Prepare the fault before the servers start."""

    def remove(self, server: Server) -> None:
        """Clean up when the servers have ended."""

    def program(self, node: Node) -> Sequence[str]:
        """Return the arguments with which Python runs the server."""
        return ("-m", "authserver")

    def prepare(self, server: Server) -> None:
        pass

    def strike(self, server: Server) -> None:
        """Cause the fault, and undo it."""
        raise NotImplementedError

    def last(self, seconds: float = LASTS) -> None:
        """Wait for a while, and until a request has met the fault: on a busy machine, there may be none for some
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

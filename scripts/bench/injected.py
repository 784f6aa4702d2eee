"""The faults of faults.py: what each takes away from servers that run, for how long, and how it gives it back."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from scripts.bench import step_clock
from scripts.bench.databases import Database, PostgresDatabase, SqliteFile, missing, new_database
from scripts.bench.node import Node
from scripts.bench.plants import Plant
from scripts.bench.postgres import binaries
from scripts.bench.server import Server
from scripts.bench.standby import Pair, new_pair, set_system
from scripts.bench.swallowing import Network
from scripts.bench.true_clock import TrueClock

_HOUR, _DAY = 3600, 86400
_FROZEN = 16.0  # seconds: longer than a request waits for PostgreSQL
_NOTICED = 60  # seconds, on the busiest of machines, until a node must have polled its database's clock
_LASTS = 1.0  # seconds that most faults last
_MET = 60  # seconds more, at most, until somebody has met it
_DISK = "12m"
_STEP_CLOCK = str(Path(step_clock.__file__))
_SERVERS = "application_name = 'authserver' AND datname = current_database()"


class Fault:
    """`prepare` and `strike` are called in a thread, under load, in each round."""

    database, nodes, workers = "postgresql", 2, 1
    is_answered = True
    """Whether it must be answered 503 now and then: else it struck nothing."""
    loses_commits = False
    closes_connections = False
    """SIGHUP closes idle ones: who sends on one of them just then gets no answer, and asks again."""
    plant: Plant | None = None
    """What `--blind` breaks: with that this fault must do harm."""

    def __init__(self) -> None:
        self.is_met: Callable[[], bool] = lambda: True
        """Whether somebody has got a 503 since it struck, where somebody must."""
        self.hits = 0
        """Connections that it ended, commits that it took away: what it counts."""

    def missing(self) -> str | None:
        """Why there cannot be such a fault here."""
        return missing(self.database)

    def new_database(self, folder: Path) -> AbstractContextManager[Database]:
        return new_database(self.database, folder)

    true_clock: TrueClock
    """Which is told when the server's is wrong."""

    def install(self, server: Server) -> None:
        """Before the servers start."""

    def remove(self, server: Server) -> None:
        """When they have ended."""

    def program(self, node: Node) -> Sequence[str]:
        """What Python runs as the server."""
        return ("-m", "authserver")

    def prepare(self, server: Server) -> None:
        pass

    def strike(self, server: Server) -> None:
        """When it returns, all is as it was."""
        raise NotImplementedError

    def last(self, seconds: float = _LASTS) -> None:
        """So long, and until somebody has met it: on a busy machine nobody may have asked for anything yet."""
        sleep(seconds)
        until = monotonic() + _MET
        while not self.is_met() and monotonic() < until:
            sleep(0.01)


class Restart(Fault):
    """PostgreSQL is started again, as an operator does."""

    mode = "fast"

    def strike(self, server: Server) -> None:
        server.database.stop(self.mode)
        self.last(0)
        server.database.start()


class Crash(Restart):
    """PostgreSQL crashes and recovers."""

    mode = "immediate"


class Terminated(Fault):
    """The servers' connections are ended at random moments."""

    which = _SERVERS

    def strike(self, server: Server) -> None:
        until = monotonic() + _LASTS
        with postgres_of(server).connect(name_of(server)) as connection:
            while monotonic() < until or (not self.is_met() and monotonic() < until + _MET):
                self.hits += self.terminate(connection)
                sleep(0.01)

    def terminate(self, connection: Any) -> int:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
        return int(connection.execute(ended + self.which).fetchone()[0])


class TerminatedInCommit(Terminated):
    """They are ended in COMMIT, before it has come so far that anything is durable."""

    which = _SERVERS + " AND query ILIKE 'commit%' AND wait_event = 'PgSleep'"
    plant = Plant(
        "an error in COMMIT is taken for success",
        "store/group_commit.py",
        "raise OutcomeUnknown(describe(error)) from error",
        "return outcomes",
    )

    def strike(self, server: Server) -> None:
        server.database.execute(_SLOW_COMMIT)
        super().strike(server)
        server.database.execute("DROP TRIGGER slow_commit ON authorizations; DROP FUNCTION slow_commit()")


_SLOW_COMMIT = """
CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON authorizations DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slow_commit();
"""


class TerminatedAfterCommit(Terminated):
    """They are ended in COMMIT when all is durable, and only a standby that is not there has not said so."""

    which = _SERVERS + " AND query ILIKE 'commit%' AND wait_event = 'SyncRep'"

    def strike(self, server: Server) -> None:
        set_system(postgres_of(server), "synchronous_standby_names", "nobody")
        super().strike(server)
        set_system(postgres_of(server), "synchronous_standby_names", None)


class ReadOnly(Fault):
    """Whoever connects may only read, as on a primary that has become a standby; then all may write again."""

    plant = Plant(
        "a connection that may only read is kept",
        "store/postgresql.py",
        'event.listen(engine, "handle_error", _forget_read_only_session)',
        "pass",
    )

    def strike(self, server: Server) -> None:
        with postgres_of(server).connect("postgres") as connection:
            alter = f"ALTER DATABASE {name_of(server)}"
            connection.execute(f"{alter} SET default_transaction_read_only = on")
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'authserver'"
            connection.execute(end)
            self.last()
            connection.execute(f"{alter} RESET default_transaction_read_only")


class Promotion(Fault):
    """The primary crashes and a standby takes over, which has every commit."""

    synchronous = True

    def new_database(self, folder: Path) -> AbstractContextManager[Database]:
        programs = binaries()
        assert programs is not None
        return new_pair(programs)

    def prepare(self, server: Server) -> None:
        pair_of(server).follow(self.synchronous)

    def strike(self, server: Server) -> None:
        pair_of(server).fail_over(partial(self.last, 0))


class LossyPromotion(Promotion):
    """The standby lacks the commits of the last moment."""

    synchronous, loses_commits = False, True

    def strike(self, server: Server) -> None:
        pair_of(server).cut_off()
        sleep(_LASTS / 2)
        super().strike(server)


class Frozen(Fault):
    """PostgreSQL's processes stop where they are, for longer than the servers wait, and go on."""

    def strike(self, server: Server) -> None:
        postgres_of(server).freeze()
        sleep(_FROZEN)
        postgres_of(server).thaw()


class FrozenLeader(Promotion):
    """The primary's processes stop where they are, and a standby takes over, which has every commit."""

    def strike(self, server: Server) -> None:
        pair_of(server).fail_over_frozen()


class Swallowed(Fault):
    """The network swallows every packet, for longer than the servers wait, and then passes them on."""

    @contextmanager
    def new_database(self, folder: Path) -> Iterator[Database]:
        with super().new_database(folder) as database:
            assert isinstance(database, PostgresDatabase)
            with closing(Network(database.postgres)) as network:
                database.network, database.url = network, network.url(database.name)
                yield database

    def strike(self, server: Server) -> None:
        assert isinstance(server.database, PostgresDatabase) and server.database.network
        server.database.network.swallow()
        sleep(_FROZEN)
        server.database.network.pass_on()


class OnSqlite(Fault):
    database, nodes = "sqlite", 1


class Busy(OnSqlite):
    """Another process holds SQLite's write lock."""

    lasts = 10.0  # seconds

    def strike(self, server: Server) -> None:
        with closing(sqlite3.connect(file_of(server), isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.last(self.lasts)
            other.execute("ROLLBACK")


class FullDisk(OnSqlite):
    """The disk is full: a small one of its own, which is filled."""

    def missing(self) -> str | None:
        mounts = os.geteuid() == 0 and shutil.which("mount") and Path("/proc/mounts").exists()
        return None if mounts else "a small disk needs root, to mount it"

    @contextmanager
    def new_database(self, folder: Path) -> Iterator[Database]:
        disk = folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "authserver-bench", str(disk)]
        subprocess.run(mount, check=True, capture_output=True)
        try:
            yield SqliteFile(disk)
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)

    def strike(self, server: Server) -> None:
        filler = file_of(server).with_name("filler")
        try:
            with closing(sqlite3.connect(file_of(server), timeout=30)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else the log has room for a while
            fill(filler)
            self.last()
        finally:
            filler.unlink(missing_ok=True)


def fill(file: Path) -> None:
    """The disk that it is on."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        for size in (1 << 16, 1 << 10, 1):
            with suppress(OSError):
                while True:
                    opened.write(bytes(size))


class Clock(OnSqlite):
    """The wall clocks of running servers are set forward and back: by an hour, a day, some seconds."""

    is_answered = False
    steps: tuple[float, ...] = (_HOUR, 0, -_HOUR, 0, _DAY, 3, -3, 0)
    plant = Plant(
        "a step forward counts towards the retry window",
        "clock.py",
        "if abs(self._offset - before) > STEP:",
        "if False:",
    )

    def program(self, node: Node) -> Sequence[str]:
        if not _clock_of(node).exists():
            step_clock.write(_clock_of(node), 0)
        return ("-P", _STEP_CLOCK, str(_clock_of(node)))

    def remove(self, server: Server) -> None:
        for node in server.nodes:
            _clock_of(node).unlink(missing_ok=True)

    def strike(self, server: Server) -> None:
        for step in self.steps:
            self.set(server, step)
            sleep(_LASTS)

    def set(self, server: Server, seconds: float) -> None:
        if seconds:
            self.true_clock.is_wrong()
        for node in server.nodes[::2]:
            step_clock.write(_clock_of(node), seconds)
        if not seconds:
            self.true_clock.is_right()


class ClockOfOneNode(Clock):
    """One node's alone, of those that share a PostgreSQL, whose clock is right: nothing of it is to be seen."""

    database, nodes = "postgresql", 2
    plant = Plant(
        "a node keeps to its own clock",
        "app.py",
        "        self.tasks.append((_POLL, self._timekeeper.follow))\n",
        "        self._timekeeper._clock.__init__()\n",
    )

    def set(self, server: Server, seconds: float) -> None:
        step_clock.write(_clock_of(server.nodes[0]), seconds)


class ClockOfWorkers(Clock):
    """The clock is set while two workers serve, and while SIGHUP replaces them."""

    workers, closes_connections = 2, True

    def strike(self, server: Server) -> None:
        for step in self.steps:
            if step:
                server.nodes[0].hang_up()
            self.set(server, step)
            sleep(_LASTS)
        server.nodes[0].hang_up()
        sleep(_LASTS)


class ClockAtStart(Clock):
    """The server starts with a clock that is wrong, and it is set right under load; so is SIGHUP's new one."""

    closes_connections = True
    plant = Plant(
        "the clock slews by 1 %, whatever the step",
        "clock.py",
        "        before, self._offset = self._offset, offset\n",
        "        limit = (answered_at - self._looked_at) // 100\n"
        "        before = self._offset\n"
        "        offset = self._offset = before + max(-limit, min(limit, offset - before))\n",
    )

    def install(self, server: Server) -> None:
        self.set(server, -_HOUR)

    def strike(self, server: Server) -> None:
        self.set(server, 0)
        sleep(_LASTS)
        for step in (_HOUR, -_DAY):
            self.set(server, step)
            server.nodes[0].hang_up()
            sleep(_LASTS)
            self.set(server, 0)
            sleep(_LASTS)


class ClockOfDatabase(Clock):
    """The clock of the PostgreSQL that two nodes share is set, as by a failover to a machine with another clock."""

    database, nodes = "postgresql", 2
    steps = (_HOUR, 0, -_DAY, 0)
    plant = Plant(
        "the database's clock is followed by 1 %, whatever the step",
        "clock.py",
        ClockAtStart.plant.old,
        ClockAtStart.plant.new,
    )

    def install(self, server: Server) -> None:
        """A function before PostgreSQL's own on the way on which names are looked up."""
        self.true_clock.is_wrong()
        server.database.execute(_OWN_CLOCK.format(name=name_of(server), seconds=-_HOUR))

    def remove(self, server: Server) -> None:
        server.database.execute(_ITS_CLOCK.format(name=name_of(server)))

    def strike(self, server: Server) -> None:
        for step in ((0,) if self.hits == 0 else ()) + self.steps:
            self.hits += 1
            self.set(server, step)
            sleep(_LASTS)

    def set(self, server: Server, seconds: float) -> None:
        if seconds:
            self.true_clock.is_wrong()
        told = [_steps_told(node) for node in server.nodes]
        server.database.execute(f"UPDATE bench_clock SET seconds = {seconds}")
        until = monotonic() + _NOTICED
        while any(_steps_told(node) == before for node, before in zip(server.nodes, told, strict=True)):
            if monotonic() > until:
                raise TimeoutError("a node did not notice that the database's clock was set")
            sleep(_LASTS / 10)
        if not seconds:
            self.true_clock.is_right()


def _steps_told(node: Node) -> int:
    return node.log.read_text().count('"clock_stepped"')


_OWN_CLOCK = """
CREATE TABLE bench_clock (seconds DOUBLE PRECISION);
INSERT INTO bench_clock VALUES ({seconds});
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM public.bench_clock))';
ALTER DATABASE {name} SET search_path = public, pg_catalog;
"""
_ITS_CLOCK = """
ALTER DATABASE {name} RESET search_path;
DROP FUNCTION public.clock_timestamp();
DROP TABLE public.bench_clock;
"""
FAULTS: dict[str, type[Fault]] = {
    "restart": Restart,
    "crash": Crash,
    "terminated": Terminated,
    "terminated-in-commit": TerminatedInCommit,
    "terminated-after-commit": TerminatedAfterCommit,
    "read-only": ReadOnly,
    "promotion": Promotion,
    "lossy-promotion": LossyPromotion,
    "frozen": Frozen,
    "frozen-leader": FrozenLeader,
    "swallowed": Swallowed,
    "busy": Busy,
    "full-disk": FullDisk,
    "clock": Clock,
    "clock-of-workers": ClockOfWorkers,
    "clock-at-start": ClockAtStart,
    "clock-of-one-node": ClockOfOneNode,
    "clock-of-database": ClockOfDatabase,
}


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


def _clock_of(node: Node) -> Path:
    return node.log.with_suffix(".clock")

"""The faults of faults.py, except those of clocks: what each takes away from running servers, and how it is
restored."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from scripts.bench.proofs.clock_faults import Clock, ClockAtStart, ClockOfDatabase, ClockOfOneNode, ClockOfWorkers
from scripts.bench.proofs.fault import LASTS, MET, Fault, OnSqlite, file_of, name_of, pair_of, postgres_of
from tests.harness.databases import Database, PostgresDatabase, SqliteFile
from tests.harness.mutants import Mutant
from tests.harness.network import Network
from tests.harness.postgres import binaries
from tests.harness.server import Server
from tests.harness.standby import new_pair, set_system

_FROZEN = 16.0  # seconds: longer than a request waits for PostgreSQL
_DISK = "12m"
_SERVERS = "application_name = 'authserver' AND datname = current_database()"


class Restart(Fault):
    """PostgreSQL is restarted, as by an operator."""

    mode = "fast"

    def strike(self, server: Server) -> None:
        server.database.stop(self.mode)
        self.last(0)
        server.database.start()


class Crash(Restart):
    """PostgreSQL crashes and recovers."""

    mode = "immediate"


class Terminated(Fault):
    """The servers' connections are terminated at random moments."""

    which = _SERVERS

    def strike(self, server: Server) -> None:
        until = monotonic() + LASTS
        with postgres_of(server).connect(name_of(server)) as connection:
            while monotonic() < until or (not self.is_met() and monotonic() < until + MET):
                self.hits += self.terminate(connection)
                sleep(0.01)

    def terminate(self, connection: Any) -> int:
        ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
        return int(connection.execute(ended + self.which).fetchone()[0])


class TerminatedInCommit(Terminated):
    """The connections are terminated in COMMIT, before anything is durable."""

    which = _SERVERS + " AND query ILIKE 'commit%' AND wait_event = 'PgSleep'"
    plant = Mutant(
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
    """The connections are terminated in COMMIT, when all is durable but no standby has confirmed it."""

    which = _SERVERS + " AND query ILIKE 'commit%' AND wait_event = 'SyncRep'"

    def strike(self, server: Server) -> None:
        set_system(postgres_of(server), "synchronous_standby_names", "nobody")
        super().strike(server)
        set_system(postgres_of(server), "synchronous_standby_names", None)


class ReadOnly(Fault):
    """New connections are read-only for a while, as on a primary that has become a standby."""

    plant = Mutant(
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
    """The primary crashes, and a standby that has every commit takes over."""

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
    """The primary crashes, and a standby that lacks the last commits takes over."""

    synchronous, loses_commits = False, True

    def strike(self, server: Server) -> None:
        pair_of(server).cut_off()
        sleep(LASTS / 2)
        super().strike(server)


class Frozen(Fault):
    """PostgreSQL's processes are frozen for longer than the servers wait, and then continue."""

    def strike(self, server: Server) -> None:
        postgres_of(server).freeze()
        sleep(_FROZEN)
        postgres_of(server).thaw()


class FrozenLeader(Promotion):
    """The primary's processes are frozen, and a standby that has every commit takes over."""

    def strike(self, server: Server) -> None:
        pair_of(server).fail_over_frozen()


class Swallowed(Fault):
    """The network withholds all data for longer than the servers wait, and then delivers it."""

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


class Busy(OnSqlite):
    """Another process holds SQLite's write lock."""

    lasts = 10.0  # seconds

    def strike(self, server: Server) -> None:
        with closing(sqlite3.connect(file_of(server), isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.last(self.lasts)
            other.execute("ROLLBACK")


class FullDisk(OnSqlite):
    """The disk is full: a small one, which is mounted and filled for this."""

    def missing(self) -> str | None:
        mounts = os.geteuid() == 0 and shutil.which("mount") and Path("/proc/mounts").exists()
        return None if mounts else "only root can mount a small disk"

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
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # otherwise the log has room for a while
            fill(filler)
            self.last()
        finally:
            filler.unlink(missing_ok=True)


def fill(file: Path) -> None:
    """Fill the disk that the database is on."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        for size in (1 << 16, 1 << 10, 1):
            with suppress(OSError):
                while True:
                    opened.write(bytes(size))


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

"""Two PostgreSQL servers, one of which follows the other: the database of a bench that lets it take over."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

from tests.harness.databases import PostgresDatabase, Rows
from tests.harness.postgres import Postgres

_FOLLOWS = 120  # seconds
_SLOWEST = 0.02  # seconds between two looks


class Pair(PostgresDatabase):
    """Two servers, which the URL names both; `postgres` is the primary."""

    def __init__(self, primary: Postgres, standby: Postgres) -> None:
        super().__init__(primary)
        self.standby, self.follows = standby, False
        hosts = "&".join(f"host={quote(str(each.folder))}" for each in (primary, standby))
        self.url = f"postgresql+psycopg://postgres@/{self.name}?{hosts}&target_session_attrs=read-write"

    def follow(self, synchronous: bool) -> None:
        """Start the standby again, as a copy of the primary. With `synchronous`, every COMMIT waits for it."""
        data = self.standby.folder / "data"
        self.standby.kill()
        shutil.rmtree(data)
        copied = (f"--host={self.postgres.folder}", "--username=postgres", "--checkpoint=fast", "--write-recovery-conf")
        self.standby.run("pg_basebackup", *copied, "--no-sync")
        with (data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{self.standby.folder}'\n")
        self.standby.start()
        self._wait_until_it_follows()
        if synchronous:
            set_system(self.postgres, "synchronous_standby_names", "*")
        self.follows = True

    def _wait_until_it_follows(self) -> None:
        until = monotonic() + _FOLLOWS
        with self.postgres.connect("postgres") as connection:
            asked = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            while not connection.execute(asked).fetchone()[0]:
                assert monotonic() < until, self.standby.log.read_text()
                sleep(_SLOWEST)

    def cut_off(self) -> None:
        """Disconnect the standby: it never receives what the primary commits from now on."""
        set_system(self.standby, "primary_conninfo", "")
        until = monotonic() + _FOLLOWS
        with self.standby.connect("postgres") as connection:
            while connection.execute("SELECT count(*) FROM pg_stat_wal_receiver").fetchone()[0]:
                assert monotonic() < until, self.standby.log.read_text()
                sleep(_SLOWEST)

    def fail_over(self, meanwhile: Callable[[], None]) -> None:
        """Crash the primary, and promote the standby."""
        self.postgres.stop("immediate")
        meanwhile()
        self._promote()

    def fail_over_frozen(self) -> None:
        """Freeze the primary, and promote the standby. The old primary stays frozen until the new one is followed."""
        self.postgres.freeze()
        self._promote()

    def _promote(self) -> None:
        self.standby.run("pg_ctl", "promote", "--silent", "--wait")
        self.postgres, self.standby, self.follows = self.standby, self.postgres, False

    def rows_after_crash(self) -> AbstractContextManager[Rows]:
        return closing(self.rows())


def set_system(postgres: Postgres, name: str, value: str | None) -> None:
    """Change a setting of the running server; None restores the value of postgresql.conf."""
    with postgres.connect("postgres") as connection:
        new = f"SET {name} = '{value}'" if value is not None else f"RESET {name}"
        connection.execute(f"ALTER SYSTEM {new}")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def new_pair(programs: Path) -> Iterator[Pair]:
    """Create the pair. The standby does not follow yet."""
    primary, standby = Postgres(programs), Postgres(programs)
    try:
        primary.start()
        yield Pair(primary, standby)
    finally:
        primary.remove()
        standby.remove()

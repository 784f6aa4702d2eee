"""A private, unprivileged PostgreSQL server, on a socket in a temporary folder."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.harness import procfs
from tests.harness.constants import LONG

NOT_INSTALLED = "PostgreSQL is not installed: no initdb in /usr/lib/postgresql/*/bin nor on the PATH"
DURABLE = {
    "listen_addresses": "",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


# Its stdin is a pipe from us, which ends with us, killed or not.
_WHEN_WE_ARE_GONE = """cat
kill -CONT "$(head -n 1 "$2/data/postmaster.pid")"  # where it was left frozen
"$1/pg_ctl" stop --silent --mode=immediate --pgdata="$2/data"
rm -rf "$2\""""


def binaries() -> Path | None:
    """Return the folder of the newest server's programs; None if there is none."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Postgres:
    def __init__(self, programs: Path, settings: Mapping[str, str] = DURABLE, within: Path | None = None) -> None:
        """`settings` are as in postgresql.conf. The server's folder is created in `within`. It does not run yet."""
        self.programs, self._databases, self._frozen = programs, 0, list[int]()
        self.folder = Path(tempfile.mkdtemp(prefix="authserver-postgres-", dir=within))
        self._as_whom = unprivileged(self.folder)
        self._data = self.folder / "data"
        self.log = self.folder / "log"
        command: list[str | Path] = ["sh", "-c", _WHEN_WE_ARE_GONE, "sh", programs, self.folder]
        ends: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._undertaker = subprocess.Popen(command, cwd="/", start_new_session=True, **ends, **self._as_whom)
        self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C")
        lines = (f"{name} = '{value}'\n" for name, value in settings.items())
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("".join(lines) + f"unix_socket_directories = '{self.folder}'\n")

    def start(self) -> None:
        self.run("pg_ctl", "start", "--silent", "--wait", f"--log={self.log}")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: this ends all connections and keeps what was committed. `immediate` is a crash."""
        self.run("pg_ctl", "stop", "--silent", "--wait", f"--mode={mode}")

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()

    @property
    def pid(self) -> int:
        """The id of the first process; the others are its children."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def freeze(self) -> None:
        """Freeze the processes, as on a machine that is paused or whose storage hangs."""
        main = self.pid
        os.kill(main, signal.SIGSTOP)  # first, so that it starts no more of them
        self._frozen = [main, *procfs.children(main)]
        for pid in self._frozen[1:]:
            _signal(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in reversed(self._frozen):
            _signal(pid, signal.SIGCONT)
        self._frozen = []

    def kill(self) -> None:
        """Kill every process by SIGKILL, even frozen ones, as when the machine is switched off."""
        for pid in self._frozen:
            _signal(pid, signal.SIGKILL)
        self._frozen = []

    def remove(self) -> None:
        """Stop the server if it runs, and delete its folder."""
        self.thaw()
        self._undertaker.communicate(timeout=LONG)

    def create_database(self, template: str = "template1") -> str:
        """Create a database, and return its name."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def drop_database(self, name: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self.folder))}"

    def connect(self, database: str, autocommit: bool = True) -> Any:
        """Return a connection that the server under test does not know."""
        import psycopg

        return psycopg.connect(f"user=postgres host={self.folder} dbname={database}", autocommit=autocommit)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on this server's data, as the server's user."""
        command: list[str | Path] = [self.programs / program, f"--pgdata={self._data}", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=LONG, **self._as_whom)
        assert done.returncode == 0, done.stdout + done.stderr


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def unprivileged(folder: Path) -> dict[str, Any]:
    """Return the user to run the server as, and make it the owner of `folder`: the server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    who = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, who.pw_uid, who.pw_gid)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


# A COMMIT under synchronous_commit=on waits for a standby that does not exist, already durable here: a test can end
# its connection there. A deadlock is looked for at once.
_VOLATILE = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "synchronous_standby_names": "nobody",
    "deadlock_timeout": "20ms",
    "autovacuum": "off",
    "jit": "off",
    "max_connections": "60",
    "shared_buffers": "16MB",
}


def volatile(programs: Path) -> Postgres:
    return Postgres(programs, _VOLATILE, within=_in_memory())


def _in_memory() -> Path | None:
    """Return a folder in memory, where a new database takes a twentieth of the time; None for the usual folder."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free
    return memory if room and room > 2**29 else None

"""A PostgreSQL server of the tests' own, on a socket in a folder that is thrown away; commits are not fsynced."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

# A COMMIT under synchronous_commit=on waits for a standby that does not exist, already durable here: a test can end
# its connection there. A deadlock is looked for at once.
_SETTINGS = {
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


# Its stdin is a pipe from us, which ends with us, killed or not.
_WHEN_WE_ARE_GONE = 'cat; "$1/pg_ctl" stop --silent --mode=immediate --pgdata="$2/data"; rm -rf "$2"'


def binaries() -> Path | None:
    """The folder of the newest server's programs, where there is one."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(installed[-1]) if installed else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


class Postgres:
    def __init__(self, programs: Path) -> None:
        self._programs, self._databases = programs, 0
        self._folder = Path(tempfile.mkdtemp(prefix="authserver-postgres-", dir=_in_memory()))
        self._as_whom = _unprivileged(self._folder)
        self._data = self._folder / "data"
        command = ["sh", "-c", _WHEN_WE_ARE_GONE, "sh", programs, self._folder]
        ends = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._undertaker = subprocess.Popen(command, cwd="/", start_new_session=True, **ends, **self._as_whom)
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C")
        lines = (f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("".join(lines) + f"unix_socket_directories = '{self._folder}'\n")

    def start(self) -> None:
        self._run("pg_ctl", "start", "--silent", "--wait", f"--log={self._folder}/log")

    def stop(self) -> None:
        """Ends all connections, and keeps what was committed."""
        self._run("pg_ctl", "stop", "--silent", "--wait", "--mode=fast")

    def remove(self) -> None:
        """Ends the server if it runs, and leaves nothing behind."""
        self._undertaker.communicate(timeout=30)

    def create_database(self, template: str = "template1") -> str:
        """A fresh database's name."""
        self._databases += 1
        name = f"test_{self._databases}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def drop_database(self, name: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={quote(str(self._folder))}"

    def connect(self, database: str, autocommit: bool = True) -> Any:
        """A connection that no part of the server knows."""
        return psycopg.connect(f"user=postgres host={self._folder} dbname={database}", autocommit=autocommit)

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, f"--pgdata={self._data}", *arguments]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, timeout=60, **self._as_whom)
        assert done.returncode == 0, done.stdout + done.stderr


def _in_memory() -> Path | None:
    """Where a new database takes a twentieth of the time; None is the usual place."""
    memory = Path("/dev/shm")
    room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free
    return memory if room and room > 2**29 else None


def _unprivileged(folder: Path) -> dict[str, Any]:
    """The server refuses to run as root; whom it runs as instead owns `folder`."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    who = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, who.pw_uid, who.pw_gid)
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}

"""A PgBouncer in front of a PostgreSQL, both only for the tests, as Debian's package installs it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import psycopg
import pytest

from tests.harness.postgres import Postgres, unprivileged

_PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
_INI = """
[databases]
* = host={postgres} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = {mode}
default_pool_size = {connections}
ignore_startup_parameters = {ignored}
logfile = {folder}/log
"""


@contextmanager
def pgbouncer(
    postgres: Postgres, mode: str, connections: int = 20, ignored: str = "extra_float_digits"
) -> Iterator[Path]:
    """The folder of its socket. `connections` are those to PostgreSQL for each database. Skips where it is missing."""
    if _PROGRAM is None:
        pytest.skip("PgBouncer is not installed")
    folder = Path(tempfile.mkdtemp(prefix="authserver-pgbouncer-"))
    as_whom = unprivileged(folder)
    ini = folder / "pgbouncer.ini"
    words = {"mode": mode, "connections": connections, "ignored": ignored}
    ini.write_text(_INI.format(postgres=postgres.folder, folder=folder, **words))
    ini.chmod(0o644)
    process = subprocess.Popen([_PROGRAM, "-q", ini], cwd=folder, stderr=subprocess.DEVNULL, **as_whom)
    try:
        _wait_until_it_answers(folder)
        yield folder
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(folder)


def through(pooler: Path, url: str) -> str:
    """Return the URL of that database through the pooler."""
    return f"{url.split('?')[0]}?host={quote(str(pooler))}&port=6432"


def _wait_until_it_answers(folder: Path) -> None:
    until = monotonic() + 60
    while True:
        try:
            return psycopg.connect(f"host={folder} port=6432 user=postgres dbname=postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            assert monotonic() < until, (folder / "log").read_text()
        sleep(0.02)

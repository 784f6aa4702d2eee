"""What the URL of a PostgreSQL says of the connection: TLS, options, a name; and what is there without it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from authserver.domain.errors import Unavailable
from authserver.store.database import Database
from tests.harness.certificate import certificate
from tests.harness.clock import Clock
from tests.harness.existing import existing
from tests.harness.postgres import NOT_INSTALLED, Postgres, binaries
from tests.harness.process import free_port

ALIVE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "10000"}
FAST = {"fsync": "off", "synchronous_commit": "off", "shared_buffers": "16MB"}


def shown(url: Any, clock: Clock, name: Any) -> Any:
    database = Database(url, clock)
    try:
        with database.begin() as connection:
            return connection.exec_driver_sql(f"SHOW {name}").scalar()
    finally:
        database.close()


def test_nothing_waits_for_ever_unless_the_url_says_so(postgres_url: str, clock: Clock) -> None:
    assert shown(postgres_url, clock, "application_name") == "authserver"
    assert shown(postgres_url, clock, "statement_timeout") == "10s"
    other = postgres_url + "&application_name=login&options=-c%20statement_timeout%3D3s%20-c%20work_mem%3D8MB"
    assert shown(other, clock, "application_name") == "login"
    assert shown(other, clock, "statement_timeout") == "3s"
    assert shown(other, clock, "work_mem") == "8MB"
    assert shown(other, clock, "lock_timeout") == "5s"  # what it does not say stays
    with closing(Database(other, clock)) as database, database.begin() as connection:
        asked = existing(connection.connection.driver_connection).info.get_parameters()
        assert {name: asked[name] for name in ALIVE} == ALIVE


@pytest.fixture(scope="module")
def with_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL that speaks TLS as `localhost`: its URL without what the client demands, and its certificate."""
    programs = binaries()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    port, folder = free_port(), tmp_path_factory.mktemp("tls")
    settings = FAST | {"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on"}
    server = Postgres(programs, settings)
    try:
        for name, content in zip(("server.crt", "server.key"), certificate("localhost"), strict=True):
            (server.folder / "data" / name).write_bytes(content)
            os.chmod(server.folder / "data" / name, 0o600)
            owner = (server.folder / "data").stat()
            os.chown(server.folder / "data" / name, owner.st_uid, owner.st_gid)
        shutil.copy(server.folder / "data" / "server.crt", folder / "ca.crt")
        (folder / "other.crt").write_bytes(certificate("localhost")[0])
        server.start()
        yield f"postgresql+psycopg://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={folder}"
    finally:
        server.remove()


def test_tls_is_verified_where_the_url_asks_for_it(with_tls: Any, clock: Clock) -> None:
    assert shown(f"{with_tls}/ca.crt", clock, "ssl") == "on"
    with pytest.raises(Unavailable, match="certificate verify failed"):
        shown(f"{with_tls}/other.crt", clock, "ssl")
    with pytest.raises(Unavailable, match="does not match host name"):
        shown(f"{with_tls}/ca.crt".replace("@localhost", "@127.0.0.1"), clock, "ssl")

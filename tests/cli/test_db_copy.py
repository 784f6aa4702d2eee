"""authserver db copy: everything or nothing gets from one database into the other, and every login goes on."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, text
from sqlalchemy.schema import Table
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.cli import main
from authserver.domain.outbox import NewMessage
from authserver.provisioning import open_database
from authserver.settings import Settings
from authserver.store import events, migrations, outbox
from authserver.store.database import Database
from authserver.store.schema import metadata
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER
from tests.harness.postgres import Postgres
from tests.harness.process import environment_with
from tests.harness.sample_database import as_client
from tests.store.conftest import postgres
from tests.web.serving import everything

__all__ = ["postgres"]
DATABASE = "AUTHSERVER_DATABASE_URL"


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/copy.db"


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def to(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
def copy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`copy(url, ..., frm=url)` runs the command."""
    monkeypatch.setenv("AUTHSERVER_ISSUER", ISSUER)
    monkeypatch.setenv("AUTHSERVER_KEYS_DIR", str(settings.keys_dir))

    def copy(to: str, *options: str, frm: str = settings.database_url.get_secret_value()) -> Result:
        monkeypatch.setenv(DATABASE, frm)
        return CliRunner().invoke(main, ["db", "copy", "--to", to, *options])

    return copy


def on(settings: Settings, url: str) -> Settings:
    return Settings(**settings.model_dump() | {"database_url": url})


def rows_of(settings: Settings, url: str, clock: Clock) -> dict[str, list[dict[str, Any]]]:
    database = open_database(on(settings, url), clock)
    try:
        return {name: sorted(rows, key=repr) for name, rows in everything(database).items()}
    finally:
        database.close()


def refresh(http: TestClient, token: str) -> Any:
    return http.post("/token", data=as_client("app") | {"grant_type": "refresh_token", "refresh_token": token})


def test_a_login_made_before_a_copy_works_after_it(
    settings: Settings, http: TestClient, login: Callable[..., Any], copy: Callable[..., Result], to: str, clock: Clock
) -> None:
    first = login()["refresh_token"]
    second = refresh(http, first).json()["refresh_token"]
    ended = login()["refresh_token"]
    http.post("/revoke", data=as_client("app") | {"token": ended})
    done = copy(to, "--json")
    assert done.exit_code == 0, done.output
    counts = json.loads(done.stdout)["rows"]
    before, after = rows_of(settings, settings.database_url.get_secret_value(), clock), rows_of(settings, to, clock)
    assert {name: len(rows) for name, rows in before.items()} == {name: counts[name] for name in before}
    assert counts["events"] == 7
    assert counts["authorizations"] == 2 and after == before
    with TestClient(create_app(on(settings, to), now=clock), ISSUER) as new:
        retried = refresh(new, first)
        assert (retried.status_code, retried.json()["refresh_token"]) == (200, second)  # the same, in the window
        assert refresh(new, second).status_code == 200
        assert refresh(new, ended).status_code == 400
        clock.forward(60)
        assert refresh(new, first).status_code == 400  # reuse is seen there


def test_a_copy_and_its_copy_back_are_equal(
    settings: Settings,
    database: Database,
    copy: Callable[..., Result],
    to: str,
    sqlite_url: str,
    tmp_path: Path,
    clock: Clock,
) -> None:
    assert copy(to).exit_code == 0
    back = f"sqlite:///{tmp_path}/back.db"
    assert copy(back, frm=to).exit_code == 0
    assert rows_of(settings, back, clock) == rows_of(settings, to, clock)
    assert (tmp_path / "back.db").stat().st_mode & 0o777 == 0o600


def test_many_rows_of_a_table_are_copied_in_batches(
    settings: Settings,
    database: Database,
    copy: Callable[..., Result],
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    monkeypatch.setattr("authserver.store.copying._BATCH", 2)
    networks = [{"user_id": "u_ada", "network": f"10.0.{number}.0/24", "seen_at": 1} for number in range(5)]
    with database.begin() as connection:
        connection.execute(insert(metadata.tables["known_networks"]), networks)
    assert copy(sqlite_url).exit_code == 0
    source = settings.database_url.get_secret_value()
    assert rows_of(settings, sqlite_url, clock) == rows_of(settings, source, clock)


def test_a_dry_run_writes_nothing(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str, tmp_path: Path, clock: Clock
) -> None:
    done = copy(to, "--dry-run", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["rows"]["clients"] == 5
    assert not (tmp_path / "copy.db").exists()
    if to.startswith("postgresql"):
        with closing(open_database(on(settings, to))) as target, target.begin() as connection:
            assert migrations.current(connection) is None


def test_what_was_migrated_already_may_be_copied_into(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str, clock: Clock
) -> None:
    target = open_database(on(settings, to))
    with target.begin() as connection:
        migrations.upgrade(connection)
    target.close()
    assert copy(to).exit_code == 0
    assert rows_of(settings, to, clock) == rows_of(settings, settings.database_url.get_secret_value(), clock)


@pytest.mark.parametrize("dry_run", [[], ["--dry-run"]])
def test_a_target_that_holds_something_is_refused_and_stays(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str, clock: Clock, dry_run: Any
) -> None:
    assert copy(to).exit_code == 0
    before = rows_of(settings, to, clock)
    done = copy(to, *dry_run)
    assert done.exit_code == 3 and "The target is not empty: it has rows in clients" in done.output
    assert rows_of(settings, to, clock) == before


def test_a_database_of_something_else_is_refused(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str
) -> None:
    target = open_database(on(settings, to))
    with target.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE theirs (x INTEGER)")
    target.close()
    done = copy(to)
    assert done.exit_code == 3 and "tables of another program (theirs)" in done.output


def test_where_the_keys_do_not_open_nothing_is_kept(
    settings: Settings,
    database: Database,
    copy: Callable[..., Result],
    to: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    monkeypatch.setenv("AUTHSERVER_KEYS_DIR", str(tmp_path / "other-keys"))
    done = copy(to)
    assert done.exit_code == 78, done.output
    target = open_database(on(settings, to))
    with target.begin() as connection:
        assert migrations.current(connection) is None
    target.close()


def test_rows_that_differ_are_seen_and_nothing_is_kept(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a trigger in the target, or a type that loses something, would make them."""
    from authserver.store import copying

    def lossy(source: Any, target: Any, table: Table, progress: Any) -> int:
        rows = [dict(row._mapping) for row in source.execute(table.select())]
        for row in rows:
            row.update({"username": "eve"} if table.name == "users" else {})
        target.execute(table.insert(), rows) if rows else None
        return len(rows)

    monkeypatch.setattr(copying, "_copy", lossy)
    done = copy(to)
    assert done.exit_code == 3 and "differs from the source in users" in done.output
    assert copy(to, "--dry-run").exit_code == 0  # it is empty


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("mysql://host/db", 2, "--to: the URL is not a database URL that is supported"),
        ("sqlite:///:memory:", 2, "in memory"),
        ("sqlite:////nowhere/at/all.db", 69, "no folder /nowhere/at"),
        ("postgresql+psycopg://user:canary@127.0.0.1:1/db", 69, "connection"),
    ],
)
def test_targets_that_cannot_be(
    database: Database, copy: Callable[..., Result], url: str, code: int, words: str
) -> None:
    done = copy(url)
    assert done.exit_code == code and words in done.output and "canary" not in done.output


def test_the_source_itself_is_no_target(settings: Settings, database: Database, copy: Callable[..., Result]) -> None:
    assert copy(settings.database_url.get_secret_value()).exit_code == 3


def test_a_source_that_is_not_there_is_not_made(copy: Callable[..., Result], tmp_path: Path, to: str) -> None:
    done = copy(to, frm=f"sqlite:///{tmp_path}/none.db")
    assert done.exit_code == 78 and not (tmp_path / "none.db").exists()


def test_the_password_in_the_url_is_not_printed(
    settings: Settings, database: Database, copy: Callable[..., Result], postgres_url: str
) -> None:
    done = copy(postgres_url.replace("postgresql+psycopg://", "postgresql+psycopg://postgres:canary@", 1))
    assert "canary" not in done.output


def test_the_audit_trail_is_continued_after_a_copy(
    settings: Settings, http: TestClient, login: Callable[..., Any], copy: Callable[..., Result], to: str, clock: Clock
) -> None:
    login()
    assert copy(to, "--json").exit_code == 0
    target = Database(to, clock)
    with target.begin() as connection:
        *others, last = sorted(events.each(connection, events.Filter()), key=lambda event: event.id)
    target.close()
    assert last.record.event == "database_copied" and last.record.actor.startswith("os:")
    assert last.id == others[-1].id + 1 and others[-1].record.event == "login"


def test_ids_of_messages_are_continued_after_a_copy(
    settings: Settings, database: Database, copy: Callable[..., Result], to: str, clock: Clock
) -> None:
    """A receiver recognises a repetition by the id."""
    message = NewMessage("mail", "one.example")
    with database.begin() as connection:
        outbox.add_many(connection, [message, message], clock())
    assert copy(to).exit_code == 0
    target = Database(to, clock)
    with target.begin() as connection:
        outbox.add_many(connection, [message], clock())
        assert list(connection.execute(text("SELECT id FROM outbox ORDER BY id")).scalars()) == [1, 2, 3]
    target.close()


def test_progress_is_on_a_terminal_only(
    settings: Settings, database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "authserver", "db", "copy", "--to", sqlite_url]
    environment = environment_with(
        {"DATABASE_URL": settings.database_url.get_secret_value(), "KEYS_DIR": str(settings.keys_dir)}
    )
    terminal, inside = pty.openpty()
    subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=inside, check=True)
    os.close(inside)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "clients: 5 of 5 (" in shown and "Comparing" in shown and "\r" in shown
    (tmp_path / "copy.db").unlink()
    piped = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    assert b"\r" not in piped.stderr and b"clients:" not in piped.stderr

"""A PostgreSQL that refuses us, and a URL that will never do: what is wrong, what to do, and nothing secret."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from authserver.cli import main
from authserver.store.advice import advice
from tests.harness.postgres import NOT_INSTALLED, Postgres, binaries
from tests.harness.process import free_port
from tests.store.test_postgres_connection import FAST

PASSWORD = "hunter2-of-the-tests"
HBA = """
local all all trust
host as ada 127.0.0.1/32 scram-sha-256
host nothere ada 127.0.0.1/32 scram-sha-256
hostssl as tls 127.0.0.1/32 trust
"""
ROLES = f"""
CREATE ROLE ada LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE tls LOGIN;
CREATE ROLE guest LOGIN;
"""


@pytest.fixture(scope="module")
def strict() -> Iterator[Any]:
    """The URL of a PostgreSQL that asks for a password: `{user}` stands for user and password."""
    programs = binaries()
    if programs is None:
        pytest.skip(NOT_INSTALLED)
    port = free_port()
    server = Postgres(programs, FAST | {"listen_addresses": "127.0.0.1", "port": str(port)})
    try:
        (server.folder / "data" / "pg_hba.conf").write_text(HBA)
        server.start()
        connect = f"user=postgres host={server.folder} port={port} dbname="
        execute(connect + "postgres", f"{ROLES}")
        execute(connect + "postgres", "CREATE DATABASE as_ TEMPLATE template0")
        execute(connect + "postgres", 'ALTER DATABASE as_ RENAME TO "as"')
        yield f"postgresql+psycopg://{{user}}@127.0.0.1:{port}/as"
    finally:
        server.remove()


def execute(where: Any, statements: Any) -> None:
    import psycopg

    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(statements)


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_what_is_wrong_with_the_target_of_a_copy_is_about_the_option(
    strict: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["init"], catch_exceptions=False).exit_code == 0
    copy = ["db", "copy", "--to", strict.format(user="ada"), *options]
    result = CliRunner().invoke(main, copy, catch_exceptions=False)
    assert result.exit_code == 69
    assert "Correct the user name or password in --to." in result.stderr
    assert "AUTHSERVER_DATABASE_URL" not in result.stderr and "config show" not in result.stderr


@pytest.fixture
def told(strict: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """`told(code, user, *command)`: what the command says, which ends with that code."""

    def told(code: Any, user: Any, *command: Any, more: str = "", database: str = "as") -> Any:
        url = strict.format(user=user).removesuffix("as") + database + more
        env = {"AUTHSERVER_DATABASE_URL": url}
        result = CliRunner().invoke(main, command or ("config", "check"), env=env, catch_exceptions=False)
        assert result.exit_code == code, result.output
        assert PASSWORD not in result.output and "Traceback" not in result.output
        return result.stderr

    return told


def test_a_wrong_password_is_told_with_the_setting_to_correct(told: Any) -> None:
    said = told(69, "ada:wrong-password")
    assert 'password authentication failed for user "ada"' in said
    assert "Correct the user name or password in AUTHSERVER_DATABASE_URL. Percent-encode" in said
    assert "wrong-password" not in said


def test_no_password(told: Any) -> None:
    assert "Correct the user name or password" in told(69, "ada")


def test_a_database_that_there_is_not(told: Any) -> None:
    assert "CREATE DATABASE <database> OWNER <user>" in told(69, f"ada:{PASSWORD}", database="nothere")


def test_a_user_whom_the_server_does_not_let_connect(told: Any) -> None:
    assert "pg_hba.conf, then reload PostgreSQL" in told(69, "guest", more="?sslmode=prefer&gssencmode=disable")


def test_a_user_who_must_come_by_tls(told: Any) -> None:
    assert "?sslmode=verify-full&sslrootcert=" in told(69, "tls", more="?sslmode=disable")


def test_a_server_without_tls_is_told_to_turn_it_on(told: Any) -> None:
    assert "Turn on TLS in PostgreSQL" in told(69, f"ada:{PASSWORD}", more="?sslmode=require")


@pytest.mark.parametrize("command", [["db", "upgrade"], ["init"]], ids=" ".join)
def test_a_role_that_may_not_create_tables(told: Any, command: Any) -> None:
    said = told(78, f"ada:{PASSWORD}", *command)
    assert "permission denied for schema public" in said
    assert "GRANT USAGE, CREATE ON SCHEMA public TO <user>" in said


OPTIONS = {
    "?sslmod=require": "sslmod is not a connection option; did you mean sslmode?",
    "?prepare_threshold=3": "prepare_threshold is not a connection option",
    "?sslmode=on": 'invalid sslmode value: "on"',
    "?connect_timeout=soon": "bad value for connect_timeout: 'soon'",
    "?target_session_attrs=rw": 'invalid target_session_attrs value: "rw"',
    "?port=x": "non-integer port",
    "?service=none": 'definition of service "none" not found',
    "?options=-c%20statement_timeot%3D3s": 'unrecognized configuration parameter "statement_timeot"',
    "?options=-c%20work_mem%3Dmuch": 'invalid value for parameter "work_mem"',
}


@pytest.mark.parametrize("more", OPTIONS)
def test_an_option_that_will_never_do(told: Any, more: Any) -> None:
    said = told(78, f"ada:{PASSWORD}", more=more)
    assert "AUTHSERVER_DATABASE_URL: " in said and OPTIONS[more] in said
    assert "libpq-connect.html" in said


def test_a_server_that_is_not_there(told: Any) -> None:
    said = told(69, f"ada:{PASSWORD}", more="?port=1")
    assert "Connection refused" in said and "authserver config show" in said


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        ('FATAL: role "x" does not exist', "CREATE ROLE <user> LOGIN"),
        ("FATAL: no such database: x", "CREATE DATABASE"),
        ("permission denied for table clients", "GRANT SELECT, INSERT, UPDATE, DELETE"),
        ("certificate verify failed", "sslrootcert"),
    ],
)
def test_other_words_of_a_server_that_refuses(words: str, helps: str) -> None:
    (todo,) = advice(words)
    assert helps in todo and "docs/how-to/postgresql.md" in todo


def test_words_that_nobody_knows_get_no_advice() -> None:
    assert advice("could not read block 0") == []

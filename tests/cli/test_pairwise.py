"""Pairwise subjects: clients that have them, and the key that makes them, which no backup and no rewrap loses."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import NullPool, create_engine

from authserver.domain.models import Client
from authserver.keyring import Keyring
from authserver.provisioning import open_existing_database, open_key_store
from authserver.settings import load
from authserver.store import clients, signing_keys
from tests.cli.backups import lose_everything, sql
from tests.harness.schema import upgrade_to

APP = ["client", "create", "App", "--client-id", "app", "--kind", "spa", "--redirect-uri", "https://app.example/back"]
PAIRWISE = [*APP, "--subject-type", "pairwise"]
OTHER = "every user has another subject at app from now on"


def subject() -> str:
    """By which the client `app` knows a user, as a server that starts now says it."""
    settings = load()
    with closing(open_existing_database(settings)) as database, database.begin() as connection:
        client, state = clients.load(connection, "app"), signing_keys.load(connection)
    assert isinstance(client, Client)
    return Keyring(open_key_store(settings), state, 0).subject(client, "u_ada")


@pytest.fixture
def app(cli: Callable[..., Result], here: Path) -> str:
    """Its subject for a user, once the client has been created."""
    cli(*PAIRWISE)
    return subject()


def test_the_first_such_client_makes_the_key_and_no_other_does(
    cli: Callable[..., Result], data: Callable[..., Any], app: str
) -> None:
    key = sql("authserver.db", "SELECT * FROM subject_keys")
    other = ["--kind", "web", "--redirect-uri", "https://app.example/", "--subject-type", "pairwise"]
    cli("client", "create", "Other", *other)
    cli("client", "update", "app", "--subject-type", "pairwise")
    assert len(key) == 1 and sql("authserver.db", "SELECT * FROM subject_keys") == key and subject() == app
    assert [event["event"] for event in data("audit", "list")].count("subject_key_created") == 1


def test_a_server_without_such_clients_has_no_key(cli: Callable[..., Result], here: Path) -> None:
    cli(*APP)
    assert subject() == "u_ada" and sql("authserver.db", "SELECT * FROM subject_keys") == []


def test_whoever_changes_the_subjects_of_all_users_is_told(cli: Callable[..., Result], app: str) -> None:
    elsewhere = ["--redirect-uri", "https://other.example/back"]
    assert OTHER not in cli("client", "update", "app", "--name", "Renamed", "--scope", "openid").stderr
    assert OTHER not in cli("client", "update", "app", "--sector-identifier-uri", "https://app.example/x").stderr
    assert OTHER not in cli("client", "update", "app", *elsewhere).stderr and subject() == app
    assert OTHER in cli("client", "update", "app", "--clear", "sector-identifier-uri").stderr and subject() != app
    assert OTHER in cli("client", "update", "app", "--subject-type", "public").stderr and subject() == "u_ada"
    assert OTHER not in cli("client", "update", "app", "--redirect-uri", "https://app.example/back").stderr
    assert OTHER in cli("client", "update", "app", "--subject-type", "pairwise").stderr and subject() == app


def test_a_client_of_several_hosts_names_its_sector(cli: Callable[..., Result], here: Path) -> None:
    several = [*PAIRWISE, "--redirect-uri", "https://other.example/back"]
    assert "--sector-identifier-uri https://app.example" in cli(*several, code=2).stderr
    cli(*several, "--sector-identifier-uri", "https://app.example")


def test_a_new_key_encryption_key_changes_no_subject(
    cli: Callable[..., Result], data: Callable[..., Any], app: str
) -> None:
    wrapped = sql("authserver.db", "SELECT wrapped FROM subject_keys")
    (old,) = Path("keys").glob("*.key")
    cli("keys", "rewrap", "--create")
    cli("keys", "rewrap")
    assert sql("authserver.db", "SELECT wrapped FROM subject_keys") != wrapped
    assert data("keys", "rewrap", "--dry-run")["rewrapped"] == 0
    old.unlink()
    assert subject() == app
    cli("keys", "revoke", "--all", "--yes")
    assert subject() == app


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_restored_server_knows_users_by_the_same_subjects(
    backup: Callable[..., Path], restore: Callable[..., Any], cli: Callable[..., Result], app: str, is_lost: bool
) -> None:
    file = backup()
    assert "AUTHSERVER" not in str(sql(file, "SELECT wrapped FROM subject_keys"))
    if is_lost:
        lose_everything()
        restore("--emergency")
    else:
        cli("keys", "rewrap", "--create")
        restore()
    assert subject() == app
    assert len(sql("authserver.db", "SELECT * FROM subject_keys")) == 1


def test_a_key_that_was_made_after_the_backup_is_kept(
    backup: Callable[..., Path], restore: Callable[..., Any], cli: Callable[..., Result], here: Path
) -> None:
    """The client, which the backup does not have, is created again."""
    backup()
    cli(*PAIRWISE)
    before = subject()
    restore()
    cli(*PAIRWISE)
    assert subject() == before


def test_a_backup_of_before_there_were_such_keys(
    backup: Callable[..., Path], restore: Callable[..., Any], here: Path
) -> None:
    Path("authserver.db").unlink()
    engine = create_engine(f"sqlite:///{here}/authserver.db", poolclass=NullPool)
    with engine.begin() as connection:
        upgrade_to(connection, "0011")
    backup()
    restore("--emergency")  # it has no signing keys either
    assert sql("authserver.db", "SELECT * FROM subject_keys") == []


def test_a_copy_of_the_database_knows_users_by_the_same_subjects(
    cli: Callable[..., Result], app: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("db", "copy", "--to", f"sqlite:///{here}/copy.db")
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL", f"sqlite:///{here}/copy.db")
    assert subject() == app

"""The schema's history: from an empty database to exactly the tables of the schema, and what other states say."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from authserver.domain.errors import Misconfigured, Unavailable
from authserver.domain.models import User
from authserver.store import clients, migrations, users
from authserver.store.database import Database
from authserver.store.schema import metadata
from tests.harness.by_email import user_by_email
from tests.harness.clock import Clock
from tests.harness.constants import LONG
from tests.harness.postgres import Postgres
from tests.harness.schema import upgrade_to


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[Any]:
    """Empty, in place of the one that is migrated already."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/as.db"


@pytest.fixture
def empty(url: str, clock: Clock) -> Iterator[Any]:
    database = Database(url, clock)
    yield database
    database.close()


@pytest.fixture
def migrated(empty: Any) -> Any:
    with empty.begin() as connection:
        migrations.upgrade(connection)
    return empty


def put_at(connection: Any, revision: Any) -> None:
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_upgrade_from_empty_makes_exactly_the_tables_of_the_schema(migrated: Any) -> None:
    with migrated.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        differences = compare_metadata(context, metadata)
        if context.dialect.name == "sqlite":  # which has no identities, but AUTOINCREMENT
            differences = [each for each in differences if not (each[0][0] == "modify_default" and each[0][3] == "id")]
        assert differences == []


def test_nothing_of_it_differs_that_the_comparison_does_not_look_at(migrated: Any) -> None:
    """Conditions of indexes, check constraints, what a deletion takes along."""
    with migrated.begin() as connection:
        made = described(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert made == described(connection)
    assert "active" in made["signing_keys"] and "CASCADE" in made["authorizations"], "the description is blind"


def described(connection: Any) -> Any:
    """Each table as text, with all that the database itself says of it."""
    inspector = inspect(connection)
    looks = ("columns", "pk_constraint", "foreign_keys", "unique_constraints", "check_constraints", "indexes")
    return {
        table: json.dumps([getattr(inspector, f"get_{look}")(table) for look in looks], default=str, sort_keys=True)
        for table in metadata.tables
    }


def test_of_unused_links_of_one_kind_and_person_the_newest_survives(empty: Any) -> None:
    with empty.begin() as connection:
        upgrade_to(connection, "0010")
        old = MetaData()
        old.reflect(connection)
        for number, used_at, address in ((1, None, ""), (2, None, ""), (3, 9, ""), (4, None, "a@example.com")):
            row = {"id": bytes([number] * 16), "kind": "reset", "user_id": None, "address": address, "used_at": used_at}
            times = {"created_at": number, "expires_at": 99, "credential_version": 0, "refresh_key_id": "r"}
            connection.execute(old.tables["links"].insert(), row | times)
    with empty.begin() as connection:
        migrations.upgrade(connection)
        rows = connection.execute(text("SELECT id, slot FROM links ORDER BY created_at")).all()
    assert [(row.id[0], row.slot) for row in rows] == [
        (2, "reset handed over "),
        (3, None),
        (4, "reset mailed a@example.com"),
    ]


def test_a_second_upgrade_changes_nothing(migrated: Any) -> None:
    with migrated.begin() as connection:
        migrations.upgrade(connection)
        assert migrations.current(connection) == migrations.head()
        migrations.check(connection)


ROWS_OF_0001 = {
    "users": {"id": "u_ada", "username": "ada", "password_hash": "$argon2id$", "credential_version": 3}
    | {"disabled": True, "created_at": 7},
    "clients": {"id": "app", "name": "App", "auth_method": "none", "grant_types": "password", "scope": "read"}
    | {"audiences": "", "redirect_uris": "", "disabled": False, "created_at": 7, "max_authorizations": 3},
}


def test_the_rows_of_the_first_revision_survive_an_upgrade(empty: Any) -> None:
    with empty.begin() as connection:
        upgrade_to(connection, "0001")
        old = MetaData()
        old.reflect(connection)
        for name, row in ROWS_OF_0001.items():
            connection.execute(old.tables[name].insert(), row)
    with empty.begin() as connection:
        before = {name: connection.execute(old.tables[name].select()).all() for name in ROWS_OF_0001}
        migrations.upgrade(connection)
        assert migrations.current(connection) == migrations.head() != "0001"
        assert {name: connection.execute(old.tables[name].select()).all() for name in ROWS_OF_0001} == before
        assert users.load_with_claims(connection, "ada") == User("u_ada", "ada", "$argon2id$", 3, True, 7, claims={})
        client = clients.load(connection, "app")
        assert client and client.policy == {"max_authorizations": 3} and client.access_token_claims == ()
        assert (client.id_token_alg, client.userinfo_alg, client.pkce, client.first_party) == (
            "RS256",
            "",
            "required",
            False,
        )


def test_verified_addresses_of_existing_users_find_them_unless_two_share_one(empty: Any) -> None:
    emails = {
        "ada": {"email": "Ada@example.com", "email_verified": True},
        "bob": {"email": "bob@example.com"},
        "eve": {"email": "shared@example.com", "email_verified": True},
        "eva": {"email": "SHARED@example.com", "email_verified": True},
    }
    user = "INSERT INTO users VALUES (:id, :name, '', 0, :off, 7)"
    with empty.begin() as connection:
        upgrade_to(connection, "0004")
        for id, claims in emails.items():
            connection.execute(text(user), {"id": id, "name": id, "off": False})
            row = {"id": id, "claims": json.dumps(claims)}
            connection.execute(text("INSERT INTO user_claims VALUES (:id, :claims)"), row)
        migrations.upgrade(connection)
        found = {email: user_by_email(connection, f"{email}@example.com") for email in ("ada", "bob", "shared")}
    assert {email: user and user.id for email, user in found.items()} == {"ada": "ada", "bob": None, "shared": None}


def test_an_empty_database_is_told_to_be_initialised(empty: Any) -> None:
    with pytest.raises(Misconfigured, match=r"empty.*\n\n    authserver init$"), empty.begin() as connection:
        assert migrations.current(connection) is None
        migrations.check(connection)


def test_an_older_database_is_told_to_be_upgraded(migrated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "head", lambda: "9999")
    with migrated.begin() as connection:
        current = migrations.current(connection)
        with pytest.raises(Misconfigured, match=rf"revision {current}, .* 9999.*\n\n    authserver db upgrade$"):
            migrations.check(connection)


@pytest.mark.parametrize("step", ["check", "upgrade"])
def test_a_newer_database_is_neither_served_nor_touched(migrated: Any, step: str) -> None:
    with migrated.begin() as connection:
        put_at(connection, "9999")
    with pytest.raises(Misconfigured, match="revision 9999, which this version"), migrated.begin() as connection:
        getattr(migrations, step)(connection)
    with migrated.begin() as connection:
        assert migrations.current(connection) == "9999"


def test_an_upgrade_that_fails_leaves_nothing_behind(empty: Any) -> None:
    """In one transaction: the next try finds an empty database, not half of one."""
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER)"))
    with pytest.raises(Unavailable), empty.begin() as connection:
        migrations.upgrade(connection)
    with empty.begin() as connection:
        assert inspect(connection).get_table_names() == ["users"]
        connection.execute(text("DROP TABLE users"))
        migrations.upgrade(connection)
        migrations.check(connection)


def test_an_upgrade_waits_for_another_one_however_long_that_takes(postgres: Postgres, clock: Clock) -> None:
    """Longer than any timeout: the one for locks is over at once here."""
    name = postgres.create_database()
    database = Database(f"{postgres.url(name)}&options=-c%20lock_timeout%3D20ms", clock)
    with postgres.connect(name, autocommit=False) as other, ThreadPoolExecutor(1) as thread:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(b"authserv")])
        upgraded = thread.submit(upgrade, database)
        with postgres.connect(name) as witness:
            while not upgraded.done() and not witness.execute(HAS_WAITED).fetchone()[0]:
                pass
        other.rollback()
        upgraded.result(LONG)
    database.close()
    postgres.drop_database(name)


def test_a_statement_of_an_upgrade_may_take_longer_than_a_request_ever_waits(postgres: Postgres, clock: Clock) -> None:
    name = postgres.create_database()
    database = Database(f"{postgres.url(name)}&options=-c%20statement_timeout%3D300ms", clock, deadline=0.3)
    with database.begin() as connection:
        migrations.upgrade(connection)
        connection.execute(text("SELECT pg_sleep(1)"))
    with pytest.raises(Unavailable), database.begin() as connection:
        connection.execute(text("SELECT pg_sleep(60)"))
    database.close()
    postgres.drop_database(name)


HAS_WAITED = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'authserver' AND datname = current_database() AND now() - xact_start > '100 ms'
"""


def upgrade(database: Database) -> None:
    with database.begin() as connection:
        migrations.upgrade(connection)

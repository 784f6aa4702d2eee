"""On PostgreSQL a refresh finds room for the new row on its page, however full the table is: it writes no index."""

from contextlib import closing
from time import monotonic, sleep
from typing import Any

from authserver.store import authorizations
from authserver.store.database import Database
from authserver.store.group_commit import commit
from tests.harness.clock import Clock
from tests.harness.postgres import Postgres
from tests.store.rows import a_login, begun, on_postgres, rotation

pytestmark = on_postgres
MANY = 120
COUNTED = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'authorizations'"


def test_refreshes_on_full_pages_write_no_index(store: Database, url: str, clock: Clock, postgres: Postgres) -> None:
    begun(store, *range(MANY))
    name = url.split("/")[3].split("?")[0]
    with postgres.connect(name) as connection:
        connection.execute("VACUUM FULL authorizations")  # pages as full as they may be
    with closing(Database(url, clock)) as node:
        for number in range(MANY):
            assert commit(node._engine, [rotation(a_login(number))], clock) == [True]
    with postgres.connect(name) as connection:
        updated, hot = _counted(connection)
    assert (updated, hot) == (MANY, MANY)


def _counted(connection: Any) -> Any:
    """The statistics of a session that has ended come a moment later."""
    until = monotonic() + 60
    while (counted := connection.execute(COUNTED).fetchone())[0] < MANY:
        assert monotonic() < until, counted
        sleep(0.05)
    return counted


def test_the_table_says_so(store: Database) -> None:
    options = "SELECT reloptions FROM pg_class WHERE relname = 'authorizations'"
    with store.begin() as connection:
        found = connection.exec_driver_sql(options).scalar_one()
        assert "fillfactor=90" in found
        authorizations.table.metadata.drop_all(connection)  # type: ignore[attr-defined]
        authorizations.table.metadata.create_all(connection)  # type: ignore[attr-defined]
        assert connection.exec_driver_sql(options).scalar() == found

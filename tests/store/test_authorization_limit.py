"""What it costs to find the authorizations beyond a limit."""

from typing import Any

from sqlalchemy import event

from authserver.store.authorization_limit import Owner, beyond_limit
from authserver.store.database import Database
from tests.store.rows import NOW, begun, on_postgres

MANY = 60


@on_postgres
def test_without_statistics_too_the_rows_of_an_owner_are_read_a_few_times(store: Database) -> None:
    """Each was read again for each other one, so that a login of somebody with a hundred took seconds."""
    login, *_ = begun(store, *range(MANY))
    asked = []

    def ask(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with store.begin() as connection:
        event.listen(connection, "before_cursor_execute", ask)
        owners = [Owner(login.subject, login.client_id, login.id, limit) for limit in (MANY - 1, MANY)]
        assert len(beyond_limit(connection, owners, NOW)) == 1
        [(statement, parameters)] = asked
        plan: Any = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).scalar_one()
    assert MANY < rows_read(plan[0]["Plan"]) < 15 * MANY


def rows_read(node: Any) -> float:
    """By all nodes of the plan."""
    own: float = node["Actual Rows"] * node["Actual Loops"]
    return own + sum(map(rows_read, node.get("Plans", [])))

"""The metadata of all tables, which defines how constraints and indexes are named."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Index, MetaData, TextClause, event, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index that contains the rows where a condition holds."""
    index = Index(name, *columns, unique=unique, sqlite_where=text(where))
    # Not by `postgresql_where`, for which SQLAlchemy imports that dialect: servers on SQLite would start 15 ms later.
    event.listen(index, "before_create", partial(_add_condition, text(where)))
    return index


def _add_condition(condition: TextClause, index: Index, connection: Connection, **_: Any) -> None:
    if connection.dialect.name == "postgresql":
        index.dialect_options["postgresql"]["where"] = condition

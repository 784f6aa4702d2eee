"""The schema's migrations, by alembic: one file per change. A change first expands the schema, and a later one
contracts it."""

from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, text

from ...domain.errors import Misconfigured
from ..deadline import lift

_FOLDER = Path(__file__).parent
_IS_ALONE = select(func.pg_try_advisory_xact_lock(int.from_bytes(b"authserv")))
_A_MOMENT = select(func.pg_sleep(0.1))
_EMPTY = "The database is empty. Create it, its keys and its key-encryption key with:\n\n    authserver init"
_OLDER = "The database is at revision {revision}, this version needs {head}. Run:\n\n    authserver db upgrade"
INSTALL_NEWER = 'pip install --upgrade "authserver[server]"'
_NEWER = """The database is at revision {revision}, which this version (at {head}) does not know: a newer authserver has
upgraded it. Install that version, or restore a backup made before the upgrade:

    {install}"""


def upgrade(connection: Connection) -> None:
    """Bring the schema to this version's, in the caller's transaction. Raises Misconfigured if it is newer."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
        while not connection.execute(_IS_ALONE).scalar():
            connection.execute(_A_MOMENT)  # wait as long as another upgrade takes; no timeout applies
        lift(connection)
    check_not_newer(connection)
    from alembic import command  # imported here, because it would slow down the start of every worker
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def head() -> str:
    """The revision that this code needs."""
    return _known()[-1]


def check(connection: Connection) -> None:
    """Raises Misconfigured unless the database is at the revision that this code needs."""
    check_not_newer(connection)
    revision = current(connection)
    if revision is None:
        raise Misconfigured(_EMPTY)
    if revision != head():
        raise Misconfigured(_OLDER.format(revision=revision, head=head()))


def check_not_newer(connection: Connection) -> None:
    """Raises Misconfigured for a revision that this code does not know."""
    revision = current(connection)
    if revision is not None and revision not in _known():
        raise Misconfigured(_NEWER.format(revision=revision, head=head(), install=INSTALL_NEWER))


def _known() -> list[str]:
    """Revisions are named after their files, v0001_what_it_does.py, and follow each other."""
    return sorted(path.name[1:5] for path in _FOLDER.glob("versions/v[0-9][0-9][0-9][0-9]_*.py"))

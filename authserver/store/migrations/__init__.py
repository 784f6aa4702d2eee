"""The history of the schema, by alembic, inside the package: one file per change, expand before contract."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ...domain.errors import Misconfigured

_EMPTY = "The database is empty. Create it, its keys and its key-encryption key with:\n\n    authserver init"
_OLDER = "The database is at revision {revision}, this version needs {head}. Run:\n\n    authserver db upgrade"
_NEWER = """The database is at revision {revision}, which this version (at {head}) does not know: a newer authserver has
upgraded it. Install that version, or restore a backup made before the upgrade:

    pip install --upgrade authserver"""


def upgrade(connection: Connection) -> None:
    """Bring the schema to this version's, in the caller's transaction. Raises Misconfigured if it is newer."""
    check_not_newer(connection)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current(connection: Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The revision that this code needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


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
    try:
        if revision is not None:
            ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError:
        raise Misconfigured(_NEWER.format(revision=revision, head=head())) from None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config

"""The database's schema as earlier versions had it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from authserver.store import migrations


def upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)

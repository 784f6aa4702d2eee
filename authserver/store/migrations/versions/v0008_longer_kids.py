"""Room for the `kid` of a key that moves here from a key service of a cloud, which is a path or a URL.

Older versions run on it as before. SQLite keeps any length, whatever the type of a column says.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE signing_keys ALTER COLUMN kid TYPE VARCHAR(255)")

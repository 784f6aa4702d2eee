"""When the walk that prunes began; room on PostgreSQL's pages, so that a refresh writes no index.

Older versions run on it as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("pruning", sa.Column("began_at", sa.BigInteger(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE authorizations SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05,"
            " autovacuum_analyze_scale_factor = 0.05)"
        )

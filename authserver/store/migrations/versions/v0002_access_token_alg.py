"""The algorithm of a client's access tokens. The previous version goes on beside it: NULL is the default."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("clients", sa.Column("access_token_alg", sa.String(length=16), nullable=True))
    op.create_index(
        "ix_clients_access_token_alg",
        "clients",
        ["access_token_alg"],
        sqlite_where=sa.text("access_token_alg IS NOT NULL"),
        postgresql_where=sa.text("access_token_alg IS NOT NULL"),
    )

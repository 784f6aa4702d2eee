"""The `typ` of a client's access tokens, and its web origins. The previous version goes on: NULL is the default."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("clients", sa.Column("access_token_typ", sa.String(length=16), nullable=True))
    op.add_column("clients", sa.Column("web_origins", sa.Text(), nullable=True))
    op.create_index(
        "ix_clients_web_origins",
        "clients",
        ["id"],
        sqlite_where=sa.text("web_origins IS NOT NULL"),
        postgresql_where=sa.text("web_origins IS NOT NULL"),
    )

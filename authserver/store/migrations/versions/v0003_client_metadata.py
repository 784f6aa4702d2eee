"""What a client registers for sign-in: its kind of application, its pages, and what signs its ID tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for column in ("id_token_alg", "userinfo_alg"):
        op.add_column("clients", sa.Column(column, sa.String(length=16), nullable=True))
        op.create_index(
            f"ix_clients_{column}",
            "clients",
            [column],
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.add_column("clients", sa.Column("client_metadata", sa.Text(), nullable=True))

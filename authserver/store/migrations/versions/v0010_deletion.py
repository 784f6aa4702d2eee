"""The time at which an account is deleted, if its user has asked for that."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("users", sa.Column("delete_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_users_delete_at",
        "users",
        ["delete_at"],
        sqlite_where=sa.text("delete_at IS NOT NULL"),
        postgresql_where=sa.text("delete_at IS NOT NULL"),
    )

"""Users' claims."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_user_claims()


def _create_user_claims() -> None:
    op.create_table(
        "user_claims",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_claims_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_claims")),
    )
    op.add_column("clients", sa.Column("access_token_claims", sa.Text(), nullable=True))

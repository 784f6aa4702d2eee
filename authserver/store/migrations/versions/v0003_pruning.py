"""How far the walk that prunes has come, so that one node at a time goes on with it. Older versions walk beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    pruning = op.create_table(
        "pruning",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("walked_to", sa.LargeBinary(length=17), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_pruning")),
    )
    op.bulk_insert(pruning, [{"one": 1, "walked_to": b"", "next_at": 0}])

"""How each machine's clock was set, for the processes that start after it. Older versions do without."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "clocks",
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("stretches", sa.Text(), nullable=False),
        sa.Column("written_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("boot", name=op.f("pk_clocks")),
    )

"""Which email a link was made for, so that the newest request counts, whichever email is made first."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("links", sa.Column("message_id", sa.BigInteger(), nullable=False, server_default="0"))

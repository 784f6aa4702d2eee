"""The most logins of one user at a client. The previous version goes on beside it: NULL is the server's setting."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("clients", sa.Column("max_authorizations", sa.Integer(), nullable=True))

"""What account pages show: which browser a session is in, and what happened to a user."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("device", sa.Text(), nullable=True))
    op.create_index(
        "ix_events_subject",
        "events",
        ["subject", "at"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )

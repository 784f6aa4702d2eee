"""A migration that does not exist yet, put after the newest one."""

from pathlib import Path

from authserver.store import migrations

EXPANDING = """
import sqlalchemy as sa
from alembic import op

revision = "{next}"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("authorizations", sa.Column("more", sa.Text(), nullable=True))
    op.add_column("clients", sa.Column("more", sa.Text(), nullable=True))
    op.create_table("more", sa.Column("id", sa.Integer(), primary_key=True))
    op.create_index("ix_users_created_at", "users", ["created_at"])
"""


def plant(folder: Path, text: str = EXPANDING) -> Path:
    """Write the migration into that copy of the migrations' folder. Returns its file."""
    head = migrations.head()
    number = f"{int(head) + 1:04}"
    file = folder / "versions" / f"v{number}_next.py"
    file.write_text(text.format(next=number, head=head))
    return file

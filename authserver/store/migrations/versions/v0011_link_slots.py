"""What an unused link is for, so that there is only one."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
_SLOT = "kind || CASE WHEN address = '' THEN ' handed over ' ELSE ' mailed ' END || COALESCE(user_id, address)"
_NEWEST = f"""
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY {_SLOT} ORDER BY created_at DESC, id) AS place
        FROM links WHERE used_at IS NULL
    ) AS unused WHERE place = 1
"""  # noqa: S608


def upgrade() -> None:
    op.add_column("links", sa.Column("slot", sa.Text(), nullable=True))
    op.execute(f"UPDATE links SET slot = {_SLOT} WHERE id IN ({_NEWEST})")  # noqa: S608
    op.execute("DELETE FROM links WHERE used_at IS NULL AND slot IS NULL")
    op.create_index("ix_links_slot", "links", ["slot"], unique=True)

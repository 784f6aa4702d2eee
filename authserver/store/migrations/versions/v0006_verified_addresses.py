"""The verified address of each user, by which a person who forgot the password is found."""

import json
from collections import Counter

import sqlalchemy as sa
from alembic import op

from authserver.domain import email_address

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("user_claims", sa.Column("email", sa.Text(), nullable=True))
    _fill()
    op.create_index(op.f("ix_user_claims_email"), "user_claims", ["email"], unique=True)


def _fill() -> None:
    """Derive the addresses from the claims. An address that several users have finds none of them."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT user_id, claims FROM user_claims"))
    addresses = {row.user_id: email_address.verified_in(json.loads(row.claims)) for row in rows}
    times = Counter(addresses.values())
    unique = [{"id": id, "email": email} for id, email in addresses.items() if email and times[email] == 1]
    if unique:
        connection.execute(sa.text("UPDATE user_claims SET email = :email WHERE user_id = :id"), unique)

"""Users' claims, attempts to sign in, known networks, the audit trail and how far it was delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _create_user_claims()
    _create_attempts()
    _create_known_networks()
    _add_user_address_header()
    _create_events()
    _create_settings_seen()
    _create_deliveries()


def _create_user_claims() -> None:
    op.create_table(
        "user_claims",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_claims_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_claims")),
    )
    op.add_column("clients", sa.Column("access_token_claims", sa.Text(), nullable=True))


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary(length=33), nullable=False),
        sa.Column("clears_at", sa.BigInteger(), nullable=False),
        sa.Column("waits_since", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_expires_at"), "attempts", ["expires_at"], unique=False)


def _create_known_networks() -> None:
    op.create_table(
        "known_networks",
        sa.Column("user_id", sa.String(length=64), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_known_networks_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "network", name=op.f("pk_known_networks")),
    )
    op.create_index(op.f("ix_known_networks_seen_at"), "known_networks", ["seen_at"], unique=False)


def _add_user_address_header() -> None:
    op.add_column("clients", sa.Column("user_address_header", sa.String(length=64), nullable=True))


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("username", sa.String(length=256), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("client_id", sa.String(length=128), nullable=True),
        sa.Column("authorization_id", sa.LargeBinary(length=16), nullable=True),
        sa.Column("network", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.String(length=1000), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_at"), "events", ["at"], unique=False)


def _create_settings_seen() -> None:
    op.create_table(
        "settings_seen",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digests", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settings_seen")),
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_deliveries")),
    )

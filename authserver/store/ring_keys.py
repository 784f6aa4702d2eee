"""What happens to the keys of the ring, and to the authorizations whose refresh tokens they make."""

from sqlalchemy import Connection, delete, exists, select, text, update

from .schema import authorizations
from .schema import ring_keys as table


def revoke_all(connection: Connection, now: int) -> None:
    connection.execute(update(table).where(table.c.revoked_at.is_(None)).values(revoked_at=now))


def end_logins(connection: Connection, now: int) -> int:
    """End every authorization that names a revoked key. Returns how many were living."""
    if connection.dialect.name == "postgresql":
        # Requests write many of these rows in another order: without it, this and they would deadlock.
        connection.execute(text("LOCK TABLE authorizations IN SHARE ROW EXCLUSIVE MODE"))
    revoked = select(table.c.id).where(table.c.revoked_at.is_not(None))
    rows = authorizations.c
    living = (rows.revoked_at.is_(None), rows.idle_expires_at > now, rows.ring_key_id.in_(revoked))
    ended = update(authorizations).where(*living).values(revoked_at=now, revoked_because="ring_revoked")
    return connection.execute(ended).rowcount


def is_named(connection: Connection, id: str) -> bool:
    """Whether any row names the key. It may read them all."""
    return connection.execute(select(exists().where(authorizations.c.ring_key_id == id))).scalar_one()


def remove_unused(connection: Connection, id: str) -> bool:
    """Whether the key went. It stays while any row names it, a finished one too: who presents its token is to be told
    `invalid_grant`, which takes the key."""
    named = exists().where(authorizations.c.ring_key_id == table.c.id)
    return connection.execute(delete(table).where(table.c.id == id, ~named)).rowcount == 1


def reseal(connection: Connection, id: str, seen: str, sealed: str) -> bool:
    """Whether the key is sealed as `sealed` now: only if it was as it was seen."""
    new = update(table).where(table.c.id == id, table.c.sealed == seen).values(sealed=sealed)
    return connection.execute(new).rowcount == 1

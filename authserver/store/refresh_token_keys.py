"""Changes the refresh-token keys, and the authorizations whose refresh tokens they make."""

from sqlalchemy import Connection, delete, exists, select, text, update

from .schema import authorizations, links
from .schema import refresh_keys as table


def revoke_all(connection: Connection, now: int) -> None:
    connection.execute(update(table).where(table.c.revoked_at.is_(None)).values(revoked_at=now))


def end_authorizations(connection: Connection, now: int) -> int:
    """End every authorization that names a revoked key, and delete the links that name one. Returns how many
    authorizations ended."""
    if connection.dialect.name == "postgresql":
        # Requests write many of these rows in another order: without the lock, they would deadlock with this.
        connection.execute(text("LOCK TABLE authorizations IN SHARE ROW EXCLUSIVE MODE"))
    revoked = select(table.c.id).where(table.c.revoked_at.is_not(None))
    connection.execute(delete(links).where(links.c.refresh_key_id.in_(revoked)))
    rows = authorizations.c
    active = (rows.revoked_at.is_(None), rows.idle_expires_at > now, rows.refresh_key_id.in_(revoked))
    ended = update(authorizations).where(*active).values(revoked_at=now, revoked_reason="refresh_keys_revoked")
    return connection.execute(ended).rowcount


def is_named(connection: Connection, id: str) -> bool:
    """Whether any authorization names the key. This may read all of them."""
    return connection.execute(select(exists().where(authorizations.c.refresh_key_id == id))).scalar_one()


def remove_unused(connection: Connection, id: str) -> bool:
    """Remove the key, unless an authorization names it, even an ended one: the key is needed to reject its tokens with
    `invalid_grant`. Returns whether it was removed."""
    named = exists().where(authorizations.c.refresh_key_id == table.c.id)
    return connection.execute(delete(table).where(table.c.id == id, ~named)).rowcount == 1


def rewrap(connection: Connection, id: str, seen: str, wrapped: str) -> bool:
    """Replace the wrapped key `seen` by `wrapped`. Returns False if it has changed since."""
    new = update(table).where(table.c.id == id, table.c.wrapped == seen).values(wrapped=wrapped)
    return connection.execute(new).rowcount == 1

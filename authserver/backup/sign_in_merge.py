"""Merges the browser sessions of the replaced database into the restored one, and deletes sign-ins that were in
progress."""

from sqlalchemy import Connection, delete, exists, insert, select, update

from ..store import session_ends
from ..store.schema import clients, codes, consents, device_codes, interactions, links, session_clients, sessions
from .replaced import has, replaced

_PROGRESS = ("secret_hash", "credential_version", "authenticated_at", "seen_at", "idle_expires_at", "expires_at")
_CONSENT = ("scope", "claims", "resources", "granted_at")


def keep_ended(connection: Connection, now: int) -> None:
    """End the sessions that are missing or have ended in the replaced database. The others get the later state,
    including the secret, so that one that was replaced since does not become valid again."""
    if not has(connection, sessions):
        session_ends.end_all(connection, now)
        return
    old = replaced(sessions)
    same = sessions.c.id == old.c.id
    active = exists().where(same, old.c.ended_at.is_(None))
    connection.execute(update(sessions).where(sessions.c.ended_at.is_(None), ~active).values(ended_at=now))
    later = update(sessions).where(same, old.c.seen_at >= sessions.c.seen_at)
    connection.execute(later.values({name: old.c[name] for name in _PROGRESS}))
    _keep_clients(connection)
    _keep_withdrawn(connection)


def end_unfinished(connection: Connection) -> None:
    """Delete unused codes, device codes, links and interactions, which last minutes. One that is unused in the backup
    may have been used since."""
    for table in (codes, device_codes):
        connection.execute(delete(table).where(table.c.used_at.is_(None)))
    connection.execute(delete(links).where(links.c.used_at.is_(None)))
    connection.execute(delete(interactions))


def _keep_clients(connection: Connection) -> None:
    """Add the clients that were recorded since: they may have to be told when these sessions end."""
    if not has(connection, session_clients):
        return
    old = replaced(session_clients)
    is_here = (exists().where(sessions.c.id == old.c.session_id), exists().where(clients.c.id == old.c.client_id))
    rows = select(old.c.session_id, old.c.client_id).where(*is_here)
    new = insert(session_clients).prefix_with("OR IGNORE")
    connection.execute(new.from_select(["session_id", "client_id"], rows))


def _keep_withdrawn(connection: Connection) -> None:
    """Forget the consents that are missing in the replaced database: their users withdrew them. The others get the
    later state, which may allow less."""
    old = replaced(consents)
    same = (consents.c.user_id == old.c.user_id, consents.c.client_id == old.c.client_id)
    connection.execute(delete(consents).where(~exists().where(*same)))
    later = update(consents).where(*same, old.c.granted_at >= consents.c.granted_at)
    connection.execute(later.values({name: old.c[name] for name in _CONSENT}))

"""Merges the browser sessions of the replaced database into the restored one, and clears what was under way."""

from sqlalchemy import Connection, delete, exists, text, update

from ..store.schema import codes, interactions, links, sessions
from .replaced import replaced

_HAS_SESSIONS = text("SELECT count(*) FROM replaced.sqlite_master WHERE name = 'sessions'")  # older revisions have none
_PROGRESS = ("secret_hash", "credential_version", "authenticated_at", "seen_at", "idle_expires_at", "expires_at")


def keep_ended(connection: Connection, now: int) -> None:
    """End the sessions that are missing or have ended in the replaced database. The others get the later state,
    including the secret, so that one that was replaced since does not become valid again."""
    if not connection.execute(_HAS_SESSIONS).scalar_one():
        end_all(connection, now)
        return
    old = replaced(sessions)
    same = sessions.c.id == old.c.id
    active = exists().where(same, old.c.ended_at.is_(None))
    connection.execute(update(sessions).where(sessions.c.ended_at.is_(None), ~active).values(ended_at=now))
    later = update(sessions).where(same, old.c.seen_at >= sessions.c.seen_at)
    connection.execute(later.values({name: old.c[name] for name in _PROGRESS}))


def end_unfinished(connection: Connection) -> None:
    """Delete unused codes, links and interactions, which last minutes. A code or a link that is unused in the backup
    may have been used since."""
    connection.execute(delete(codes).where(codes.c.used_at.is_(None)))
    connection.execute(delete(links).where(links.c.used_at.is_(None)))
    connection.execute(delete(interactions))


def end_all(connection: Connection, now: int) -> None:
    """End every session. `now` is in microseconds."""
    connection.execute(update(sessions).where(sessions.c.ended_at.is_(None)).values(ended_at=now))

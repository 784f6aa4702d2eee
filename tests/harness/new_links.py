"""Links as the server and `user reset-link` make them."""

from typing import Any

from sqlalchemy import func, select

from authserver import system
from authserver.domain import links as rules
from authserver.domain.models import LinkKind, User
from authserver.provisioning import newest_refresh_key
from authserver.settings import Settings
from authserver.store import links, users
from authserver.store.database import Database
from authserver.store.schema import outbox
from tests.harness.existing import existing


def reset_link(database: Database, settings: Settings, now: int, username: str = "ada") -> str:
    """Return the URL of a new link with which the user chooses a new password."""
    with database.begin() as connection:
        user = existing(users.load(connection, username))
    return new_link(database, settings, now, LinkKind.RESET, user)


def new_link(
    database: Database, settings: Settings, now: int, kind: LinkKind, user: User | None = None, address: str = ""
) -> str:
    """Return the URL of a new link."""
    with database.begin() as connection:
        key_id, key = newest_refresh_key(settings, connection, now)
        newest = connection.execute(select(func.max(outbox.c.id))).scalar() or 0
        about: dict[str, Any] = {"user": user, "address": address, "message_id": newest if address else 0}
        link = rules.new(kind, system.new_id(), refresh_key_id=key_id, now=now, **about)
        assert links.put(connection, link)
    return rules.url(settings.issuer, link.kind, rules.render(link, key))

"""Links for a new password, as the server and `user reset-link` make them."""

from authserver import system
from authserver.domain import links as rules
from authserver.domain.models import LinkKind
from authserver.provisioning import newest_refresh_key
from authserver.settings import Settings
from authserver.store import links, users
from authserver.store.database import Database
from tests.harness.existing import existing


def reset_link(database: Database, settings: Settings, now: int, username: str = "ada") -> str:
    """Return the URL of a new link for the user."""
    with database.begin() as connection:
        key_id, key = newest_refresh_key(settings, connection, now)
        user = existing(users.load(connection, username))
        link = rules.new(LinkKind.RESET, system.new_id(), refresh_key_id=key_id, now=now, user=user)
        assert links.put(connection, link)
    return rules.url(settings.issuer, link.kind, rules.render(link, key))

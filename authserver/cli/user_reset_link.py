"""authserver user reset-link."""

import click

from .. import system
from ..domain import links
from ..domain.models import LinkKind
from ..provisioning import newest_refresh_key
from ..settings import load
from ..store import links as stored_links
from ..store.database import Connection
from .common import as_json, fail, moment, now, show, transact
from .named_user import load_user
from .recording import record


@click.command("reset-link")
@click.argument("name")
@as_json
def reset_link(name: str, as_json: bool) -> None:
    """Make a link with which the user NAME chooses a new password. It works once.

    The link is printed once, with the time at which it expires, and not stored. Anyone who opens it can take over the
    account: hand it over so that nobody else can read it. It replaces an earlier link from this command, but not one
    that was sent by email.

    \b
    Examples:
      authserver user reset-link ada
      authserver user reset-link ada --json
    """
    settings = load()

    def make(connection: Connection) -> tuple[str, str, int]:
        user, at = load_user(connection, name), now(connection)
        if user.is_blocked:
            raise fail(
                f"The user {user.username} is disabled. Enable them first: authserver user enable {user.username}"
            )
        key_id, key = newest_refresh_key(settings, connection, at)
        link = links.new(LinkKind.RESET, system.new_id(), refresh_key_id=key_id, now=at, user=user)
        stored_links.put(connection, link)
        record(connection, "user_reset_link_made", at=at, user=user)
        return user.username, links.url(settings.issuer, link.kind, links.render(link, key)), link.expires_at

    username, url, expires_at = transact(make)
    row = {"username": username, "link": url, "expires_at": moment(expires_at)}
    click.echo(f"{username} can choose a new password with this link once, until {moment(expires_at)}:", err=True)
    show(row, as_json, lambda: url)

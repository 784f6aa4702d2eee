"""authserver client rotate-secret."""

import click

from ... import system
from ...domain.models import SECOND
from ..common import as_json, fail, transaction
from .shared import hashed, load, show_secret

_DAY = 86400


@click.command("rotate-secret")
@click.argument("client_id")
@click.option("--grace", default=_DAY, show_default=True, type=click.IntRange(0), help="Seconds the old one goes on.")
@as_json
def rotate_secret(client_id: str, grace: int, as_json: bool) -> None:
    """Give the client a new secret; the old one goes on for a while, so that nothing fails meanwhile.

    \b
    Examples:
      authserver client rotate-secret c_5f2b...
      authserver client rotate-secret c_5f2b... --grace 0 --json
    """
    from ...store import clients

    secret, now = system.new_secret(), system.now()
    with transaction() as connection:
        client = load(connection, client_id)
        if client.auth_method == "none":
            raise fail("This client is public: it has no secret.")
        clients.put(connection, clients.rotate_secret(client, hashed(secret), previous_until=now + grace * SECOND))
    show_secret(client_id, secret, as_json)

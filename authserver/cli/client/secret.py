"""authserver client rotate-secret."""

from shlex import quote

import click

from ... import system
from ...domain.client_secrets import TwoValid, new, rotated
from ...domain.errors import Refused
from ...store import clients
from ..common import as_json, fail, moment, now, transaction
from ..recording import record
from .shared import load, show_secret

_DAY = 86400


@click.command("rotate-secret")
@click.argument("client_id")
@click.option(
    "--grace",
    default=_DAY,
    show_default=True,
    type=click.IntRange(0),
    help="Seconds for which the old secret stays valid.",
)
@click.option("--replace", "ends", type=click.Choice(["old", "new"]), help="Which secret ends now, if two are valid.")
@as_json
def rotate_secret(client_id: str, grace: int, ends: str | None, as_json: bool) -> None:
    """Give the client a new secret. The old one stays valid for a while, so that nothing fails during the change.

    While two secrets are valid this exits with code 3 and changes nothing, because a third would end one that may be
    in use. --replace says which one ends.

    \b
    Examples:
      authserver client rotate-secret c_5f2b...
      authserver client rotate-secret c_5f2b... --replace old --json
    """
    secret = system.new_secret()
    with transaction() as connection:
        client, at = load(connection, client_id), now(connection)
        if client.auth_method == "none":
            raise fail("This client is public: it has no secret.")
        try:
            after = rotated(client, new(secret), now=at, grace=grace, ends=ends)
        except TwoValid as error:
            raise Refused(_why_refused(client_id, error)) from None
        clients.put(connection, after)
        until = max((old.expires_at or at for old in after.secrets[1:]), default=at)
        record(connection, "client_secret_rotated", client_id=client_id, old_secret_ends=moment(until))
    for old in after.secrets[1:]:
        click.echo(f"The old secret is valid until {moment(old.expires_at)}.", err=True)
    show_secret(client_id, secret, as_json)


def _why_refused(client_id: str, error: TwoValid) -> str:
    line = f"    authserver client rotate-secret {quote(client_id)} --replace"
    return (
        f"{client_id} has two valid secrets: the old one until {moment(error.old.expires_at)}, the new one "
        f"{_until(error.new.expires_at)}. A third would end one of them now. If the old one is no longer in use:"
        f"\n\n{line} old\n\nIf the new one is not in use, because it was lost or is known to others:\n\n{line} new"
    )


def _until(at: int | None) -> str:
    return f"until {moment(at)}" if at else "without an end"

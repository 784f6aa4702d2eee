"""authserver user set-email."""

import click

from ..domain import claim_rules, email_address
from ..store import user_claims, users
from ..store.database import Connection
from .common import as_json, show, transact
from .named_user import load_user
from .recording import record

_NOT_AN_ADDRESS = "Mail cannot be sent to this address. It needs a name, an @ and a domain, in ASCII: ada@example.com"


@click.command("set-email")
@click.argument("name")
@click.argument("address")
@click.option(
    "--verified/--unverified",
    default=False,
    show_default=True,
    help="Whether you know that the user reads this address. Only a verified one can get a link for a new password.",
)
@as_json
def set_email(name: str, address: str, verified: bool, as_json: bool) -> None:
    """Set the email address of the user NAME. The other claims stay as they are.

    Links for a new password that were sent before stop working.

    \b
    Examples:
      authserver user set-email ada ada@example.com --verified
      authserver user set-email ada ada@example.com --unverified --json
    """
    if email_address.canonical(address) is None:
        raise click.UsageError(_NOT_AN_ADDRESS)
    email = {"email": address, "email_verified": verified}

    def set_email(connection: Connection) -> str:
        user = load_user(connection, name, users.load_with_claims)
        user_claims.replace(connection, user.id, claim_rules.check({**(user.claims or {}), **email}))
        record(connection, "user_email_changed", user=user, verified="yes" if verified else "no")
        return user.username

    username = transact(set_email)
    state = "verified" if verified else "not verified"
    click.echo(f"Set the email address of {username} to {address} ({state}).", err=True)
    if as_json:
        show({"username": username, **email}, as_json, str)

"""authserver user create|list|show|disable|enable|set-password."""

from typing import Any

import click

from .. import system
from ..domain.errors import Refused
from ..domain.models import User
from ..domain.new_password import why_refused
from ..settings import load
from .common import as_json, fail, moment, read_password, show, table, transaction

password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")


@click.group("user")
def command() -> None:
    """Create and look after users.

    \b
    Examples:
      authserver user create ada
      authserver user list --json
    """


@command.command("create")
@click.argument("name")
@password_stdin
@as_json
def create(name: str, password_stdin: bool, as_json: bool) -> None:
    """Create the user NAME.

    \b
    Examples:
      authserver user create ada
      echo "$PASSWORD" | authserver user create ada --password-stdin --json
    """
    from ..store import users

    username = _username(name)
    password_hash = _hash(username, read_password(password_stdin))
    user = User(f"u_{system.new_id().hex()}", username, password_hash, created_at=system.now())
    with transaction() as connection:
        if not users.add(connection, user):
            raise fail(
                f"There is a user {username} already. To change the password: authserver user set-password {username}"
            )
    show({"id": user.id, "username": username}, as_json, lambda: f"Created the user {username} ({user.id}).")


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """All users.

    \b
    Examples:
      authserver user list
      authserver user list --json
    """
    from ..store import users

    with transaction() as connection:
        rows = [_described(user) for user in users.load_all(connection)]
    titles = ["id", "username", "disabled", "created_at"]
    show(rows, as_json, lambda: table([[row[title] for title in titles] for row in rows], titles))


@command.command("show")
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """The user NAME.

    \b
    Examples:
      authserver user show ada
      authserver user show ada --json
    """
    from ..store import users

    with transaction() as connection:
        user = users.load(connection, _username(name))
    if user is None:
        raise _nobody(name)
    row = _described(user)
    show(row, as_json, lambda: "\n".join(f"{title}: {value}" for title, value in row.items()))


@command.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Refuse the user NAME from now on: no login, no refresh. `enable` takes it back.

    \b
    Examples:
      authserver user disable ada
      authserver user disable "Ada Lovelace@example"
    """
    _set_disabled(name, True)
    click.echo(f"{name} is disabled: refused at the next login or refresh.", err=True)


@command.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Accept the user NAME again.

    \b
    Examples:
      authserver user enable ada
      authserver user enable bob
    """
    _set_disabled(name, False)
    click.echo(f"{name} is enabled.", err=True)


@command.command("set-password")
@click.argument("name")
@password_stdin
def set_password(name: str, password_stdin: bool) -> None:
    """Change the password of the user NAME; every login with the old one ends at its next refresh.

    \b
    Examples:
      authserver user set-password ada
      echo "$PASSWORD" | authserver user set-password ada --password-stdin
    """
    from ..store import users

    username = _username(name)
    password_hash = _hash(username, read_password(password_stdin))
    with transaction() as connection:
        if not users.set_password(connection, username, password_hash):
            raise _nobody(name)
    click.echo(f"The password of {username} is changed; logins with the old one end at their next refresh.", err=True)


def _set_disabled(name: str, disabled: bool) -> None:
    from ..store import users

    with transaction() as connection:
        if not users.set_disabled(connection, _username(name), disabled):
            raise _nobody(name)


def _username(name: str) -> str:
    from ..passwords import username_form

    username = username_form(name)
    if username is None:
        raise click.UsageError(
            "This username cannot be used: 1 to 256 letters, digits and marks without spaces or control characters "
            "(RFC 8265 s3.3)."
        )
    return username


def _hash(username: str, text: str) -> str:
    """Of a new password. Raises UsageError for one that nobody can have, and Refused for one that is easily guessed."""
    from ..passwords import Passwords, common_passwords, password_form

    password = password_form(text)
    if password is None:
        raise click.UsageError("This password cannot be used: 1 to 1024 bytes without control characters are allowed.")
    minimum = load().password_min_length
    refused = why_refused(password, username=username, min_length=minimum, common=common_passwords())
    if refused:
        raise Refused(refused)
    return Passwords().hash(password)


def _described(user: User) -> dict[str, Any]:
    created = moment(user.created_at)
    return {"id": user.id, "username": user.username, "disabled": user.disabled, "created_at": created}


def _nobody(name: str) -> click.ClickException:
    return fail(f"There is no user {name}. To see them all: authserver user list")

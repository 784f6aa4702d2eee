"""authserver user create|list|show|disable|enable|end-logins|delete|set-password|set-claims|set-email|reset-link|
unblock|import|export."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import click

from .. import system
from ..domain import claim_rules, strict_json
from ..domain.claim_rules import ClaimsRefused, as_text
from ..domain.errors import Refused
from ..domain.models import User
from ..domain.session_end import EndedBy
from ..domain.times import counted
from ..domain.user_rules import UserRefused, check_password, new_id, weakness
from ..passwords import PasswordHasher, common_passwords, password_form
from ..settings import load
from ..store import authorizations, session_ends, user_claims, users
from ..store.database import Connection
from .common import (
    as_json,
    confirm,
    fail,
    fields,
    moment,
    now,
    read_password,
    rows_as_table,
    show,
    transact,
    transaction,
    yes,
)
from .named_user import load_user, username_of
from .recording import record
from .user_deletion import set_disabled
from .user_email import set_email
from .user_export import export
from .user_import import import_
from .user_reset_link import reset_link
from .user_unblock import unblock

_MAX_INPUT = 1 << 20  # bytes of claims that are read: far more than the limit
_ENDED_BY = {
    "user_disabled": EndedBy.DISABLING,
    "user_logins_ended": EndedBy.LOGINS_ENDED,
    "user_deleted": EndedBy.DELETION,
    "user_password_changed": EndedBy.NEW_PASSWORD,
}
password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")


class Ended(NamedTuple):
    """How many of a user's logins ended."""

    authorizations: int
    sessions: int

    def __str__(self) -> str:
        ended = counted(self.authorizations, "authorization")
        return f"{ended} and {counted(self.sessions, 'session')}" if self.sessions else ended


@click.group("user")
def command() -> None:
    """Manage users.

    \b
    Examples:
      authserver user create ada
      authserver user list --json
    """


command.add_command(import_)
command.add_command(export)
command.add_command(unblock)
command.add_command(set_email)
command.add_command(reset_link)


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
    username = username_of(name)
    password_hash = _hash(username, read_password(password_stdin))
    with transaction() as connection:
        user = User(new_id(system.new_id()), username, password_hash, created_at=now(connection))
        if not users.add(connection, user):
            raise fail(
                f"The user {username} already exists. To change the password: authserver user set-password {username}"
            )
        record(connection, "user_created", user=user)
    show({"id": user.id, "username": username}, as_json, lambda: f"Created the user {username} ({user.id}).")


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all users.

    \b
    Examples:
      authserver user list
      authserver user list --json
    """
    with transaction() as connection:
        rows = [_described(user) for user in users.load_all(connection)]
    titles = ["id", "username", "disabled", "created_at"]
    show(rows, as_json, lambda: rows_as_table(rows, titles))


@command.command("show")
@click.argument("name")
@as_json
def show_(name: str, as_json: bool) -> None:
    """Show the user NAME.

    \b
    Examples:
      authserver user show ada
      authserver user show ada --json
    """
    with transaction() as connection:
        user = load_user(connection, name, users.load_with_claims)
    delete_at = None if user.delete_at is None else moment(user.delete_at)
    row = _described(user) | {"delete_at": delete_at, "claims": user.claims}
    show(row, as_json, lambda: fields(row | {"claims": as_text(user.claims) if user.claims else None}))


@command.command("disable")
@click.argument("name")
@as_json
def disable(name: str, as_json: bool) -> None:
    """Block the user NAME and end all of their authorizations and sessions. `enable` lifts only the block.

    If the user has asked for the deletion of the account, that is cancelled. An email says so, if they have a
    verified address.

    \b
    Examples:
      authserver user disable ada
      authserver user disable "Ada Lovelace@example"
    """
    ended = _end_logins(name, "user_disabled", "user_disabled", partial(set_disabled, disabled=True))
    _show_ended(name, ended, as_json, f"{name} is disabled.")


@command.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Unblock the user NAME. The user must log in again.

    If the user has asked for the deletion of the account, that is cancelled. An email says so, if they have a
    verified address.

    \b
    Examples:
      authserver user enable ada
      authserver user enable bob
    """
    with transaction() as connection:
        user = load_user(connection, name)
        if user.disabled:
            set_disabled(connection, user.username, False)
            record(connection, "user_enabled", user=user)
    click.echo(f"{name} is enabled.", err=True)


@command.command("end-logins")
@click.argument("name")
@as_json
def end_logins(name: str, as_json: bool) -> None:
    """Log the user NAME out everywhere: end all of their authorizations and sessions. They can log in again at once.

    Access tokens that are verified offline stay valid until they expire.

    \b
    Examples:
      authserver user end-logins ada
      authserver user end-logins ada --json
    """
    _show_ended(name, _end_logins(name, "user_logins_ended", "logins_ended", users.raise_credential_version), as_json)


@command.command("delete")
@click.argument("name")
@yes
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@as_json
def delete(name: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Delete the user NAME and end all of their authorizations and sessions. This cannot be undone; `disable` can.

    \b
    Examples:
      authserver user delete ada
      authserver user delete ada --yes --json
    """
    username = username_of(name)
    with transaction() as connection:
        user_id, at = load_user(connection, name).id, now(connection)
        active = Ended(
            authorizations.count_active(connection, user_id, at), session_ends.count_active(connection, user_id, at)
        )
    if dry_run:
        _show_ended(name, active, as_json, f"Would delete the user {username}.", "Would end")
        return
    confirm(f"Delete the user {username} and end {active}?", yes)
    ended = _end_logins(name, "user_deleted", "user_deleted", users.remove)
    _show_ended(name, ended, as_json, f"Deleted the user {username}.")


@command.command("set-password")
@click.argument("name")
@password_stdin
@as_json
def set_password(name: str, password_stdin: bool, as_json: bool) -> None:
    """Change the password of the user NAME and end all of their authorizations and sessions.

    \b
    Examples:
      authserver user set-password ada
      echo "$PASSWORD" | authserver user set-password ada --password-stdin
    """
    password_hash = _hash(username_of(name), read_password(password_stdin))
    change = partial(users.set_password, password_hash=password_hash)
    ended = _end_logins(name, "user_password_changed", "password_changed", change)
    _show_ended(name, ended, as_json, f"The password of {name} is changed.")


@command.command("set-claims")
@click.argument("name")
@as_json
def set_claims(name: str, as_json: bool) -> None:
    """Replace the claims of the user NAME with a JSON object on stdin; {} removes all of them.

    /userinfo shows the standard claims of OpenID Connect, such as `name` and `email`, to clients that may see them. A
    client's access tokens contain the claims that `client update --access-token-claim` names, from the next refresh or
    login on. Earlier tokens keep theirs until they expire.

    \b
    Examples:
      echo '{"name": "Ada Lovelace", "roles": ["editor"]}' | authserver user set-claims ada
      authserver user set-claims ada --json < claims.json
    """
    claims = _read_claims()
    with transaction() as connection:
        user = load_user(connection, name)
        user_claims.replace(connection, user.id, claims)
        record(connection, "user_claims_changed", user=user, claims=", ".join(claims))
    click.echo(f"Set {counted(len(claims), 'claim')} of {user.username}.", err=True)
    if as_json:
        show({"username": user.username, "claims": claims}, as_json, str)


def _read_claims() -> Mapping[str, Any]:
    try:
        return claim_rules.check(strict_json.parse(sys.stdin.buffer.read(_MAX_INPUT)), system.now())
    except ClaimsRefused as error:
        raise click.UsageError(str(error)) from None
    except ValueError as error:
        raise click.UsageError(f"The claims on stdin are not a JSON object: {error}") from None


def _end_logins(name: str, event: str, reason: str, change: Callable[[Connection, str], bool]) -> Ended:
    """Apply `change` to the user and end all of their authorizations and sessions. Returns how many were active."""
    username = username_of(name)

    def end_logins(connection: Connection) -> Ended:
        user = load_user(connection, name)
        at = now(connection)
        ended = authorizations.end_of_user(connection, user.id, reason=reason, now=at)
        done = Ended(ended, session_ends.count_active(connection, user.id, at))
        sids = session_ends.end_of_user(connection, user.id, reason=reason, now=at)
        change(connection, username)
        record(connection, event, at=at, user=user, ended=str(done))
        for sid in sids:
            record(connection, "session_ended", at=at, user=user, reason=_ENDED_BY[event], sid=sid.hex())
        return done

    return transact(end_logins)


def _show_ended(name: str, ended: Ended, as_json: bool, done: str = "", would: str = "Ended") -> None:
    click.echo(f"{done} {would} {ended}.".strip(), err=True)
    if as_json:
        numbers = {"authorizations_ended": ended.authorizations, "sessions_ended": ended.sessions}
        show({"username": username_of(name)} | numbers, as_json, str)


def _hash(username: str, text: str) -> str:
    """The hash of a new password. Raises UsageError if it is malformed, Refused if it is easy to guess."""
    try:
        password = check_password(password_form(text))
    except UserRefused as error:
        raise click.UsageError(str(error)) from None
    minimum = load().password_min_length
    weak = weakness(password, username=username, min_length=minimum, common=common_passwords())
    if weak:
        raise Refused(weak.text)
    return PasswordHasher().hash(password)


def _described(user: User) -> dict[str, Any]:
    created = moment(user.created_at)
    return {"id": user.id, "username": user.username, "disabled": user.disabled, "created_at": created}

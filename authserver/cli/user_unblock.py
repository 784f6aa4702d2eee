"""authserver user unblock."""

import click

from ..accounts.sign_in import account_of
from ..domain.attempts import delay
from ..domain.models import SECOND
from ..domain.times import counted, span
from ..passwords import username_form
from ..provisioning import account_attempts_key, attempt_limits
from ..settings import load
from ..store import attempts, users
from ..store.attempts import Counter
from ..store.database import Connection
from .common import as_json, now, show, transact
from .recording import record


@click.command("unblock")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only show what would be forgotten.")
@as_json
def unblock(name: str, dry_run: bool, as_json: bool) -> None:
    """Forget the wrong passwords for the account NAME, so that nobody has to wait before the next attempt.

    The account need not exist: attempts are counted all the same.

    \b
    Examples:
      authserver user unblock ada --dry-run
      authserver user unblock ada --json
    """
    failures = transact(lambda connection: _forget(connection, name, dry_run))
    wait, forgotten = delay(failures), counted(failures, "wrong password")
    done, waited = ("Would forget", "wait") if dry_run else ("Forgot", "waited")
    click.echo(f"{done} {forgotten} for {name}; unknown networks {waited} {span(wait)}.", err=True)
    if as_json:
        show({"username": name, "wrong_passwords": failures, "wait": wait // SECOND}, as_json, str)


def _forget(connection: Connection, name: str, dry_run: bool) -> int:
    """Return how many wrong passwords from unknown networks were remembered."""
    settings, at, form = load(), now(connection), username_form(name)
    account = account_attempts_key(settings, connection, account_of(name, form), at)
    row = attempts.load(connection, [account]).get(account, Counter())
    budget = attempt_limits(settings).account
    failures = budget.remembered(row.clears_at, at) if budget else 0
    if not dry_run and attempts.forget_account(connection, account):
        user = users.load(connection, form) if form else None
        record(connection, "user_unblocked", at=at, user=user, wrong_passwords=failures)
    return failures

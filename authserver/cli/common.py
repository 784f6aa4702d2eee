"""Shared by the commands: opening the database, reading passwords from a prompt or stdin, and printing results."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import system
from ..domain.errors import ChangedMeanwhile
from ..domain.models import SECOND, Client, Policy
from ..domain.times import duration, utc
from ..settings import Settings, load

if TYPE_CHECKING:
    from ..store.database import Connection

T = TypeVar("T")
_TRIES = 3
ARGUMENTS = f"{__name__}.arguments"
"""The key under which a click.Context keeps the words of the command line."""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_MAX_LISTED = 10_000
limited = click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, _MAX_LISTED), help="How many at most."
)
yes = click.option("--yes", is_flag=True, help="Do not ask. Required if there is no terminal.")


@contextmanager
def transaction(settings: Settings | None = None) -> Iterator["Connection"]:
    """One transaction on the configured database, which must have this version's schema. Raises Misconfigured."""
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(settings or load())) as database, database.begin() as connection:
        migrations.check(connection)
        yield connection


def transact(work: "Callable[[Connection], T]") -> T:
    """Return what `work` returns in a `transaction` that is run `again_after_conflicts`."""

    def run() -> T:
        with transaction() as connection:
            return work(connection)

    return again_after_conflicts(run)


def again_after_conflicts(transact: Callable[[], T]) -> T:
    """Return what `transact` returns. It is one transaction, and runs again if a deadlock with a server undid it.
    Raises ChangedMeanwhile if every attempt fails."""
    for _ in range(_TRIES - 1):
        with suppress(ChangedMeanwhile):
            return transact()
    return transact()


@contextmanager
def reading(settings: Settings) -> Iterator["Connection"]:
    """Like `transaction`, but only reads, without a transaction: a long statement blocks no writer."""
    from ..provisioning import open_existing_database
    from ..store import migrations

    with closing(open_existing_database(settings)) as database, database.read() as connection:
        migrations.check(connection)
        yield connection


def policy_of(settings: Settings, client: Client | None) -> Policy:
    """Return the policy for the client; the server's if there is no client."""
    from ..provisioning import policy

    servers = policy(settings)
    return client.policy_over(servers) if client else servers


def now(connection: "Connection") -> int:
    """Return microseconds since 1970, by the clock that the servers on this database use."""
    from ..store import clock

    return clock.read_many(connection, [None]).get(None) or system.now()


def parse_id(text: str, noun: str) -> bytes:
    """Return the id of a row. Raises UsageError, which names the command of `noun` that lists all ids."""
    try:
        id = bytes.fromhex(text)
    except ValueError:
        id = b""
    if len(id) != 16:
        raise click.UsageError(f"An id has 32 hexadecimal digits. To see them all: authserver {noun} list")
    return id


def show(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    click.echo(json.dumps(value) if as_json else text())


def table(rows: Sequence[Sequence[object]], titles: Sequence[str]) -> str:
    """Return a table. If the terminal is too narrow for it, return each row as a list of fields."""
    cells = [list(titles), *[[cell(value) for value in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(titles))]
    if sys.stdout.isatty() and sum(widths) + 2 * len(widths) - 2 > shutil.get_terminal_size().columns:
        return "\n\n".join(fields(dict(zip(titles, row, strict=True))) for row in rows)
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def rows_as_table(rows: Sequence[Mapping[str, object]], titles: Sequence[str]) -> str:
    """Return a table of the named fields of each row."""
    return table([[row[title] for title in titles] for row in rows], titles)


def fields(row: Mapping[str, object]) -> str:
    """Return one line for each field."""
    return "\n".join(f"{name}: {cell(value)}" for name, value in row.items())


def cell(value: object) -> str:
    """Return a value for people: lists are joined, booleans are yes or no, and nothing is a hyphen."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value)) or "-"
    return "-" if value is None or value == "" else str(value)


def moment(microseconds: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the second."""
    return None if microseconds is None else utc(microseconds)


def ago(microseconds: int) -> str:
    """Return a past time in its largest unit: 3 hours ago."""
    seconds = max(0, microseconds // SECOND)
    size = next((size for size in (86400, 3600, 60) if seconds >= size), 1)
    return f"{duration(seconds // size * size)} ago" if seconds else "now"


def read_password(from_stdin: bool, name: str = "password", *, twice: bool = True) -> str:
    """Read a secret from the first line of stdin, or ask for it (twice). Other users could see an argument."""
    if from_stdin:
        try:
            return sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError(f"The {name} on stdin is not UTF-8.") from None
    if not sys.stdin.isatty():
        raise click.UsageError(f"There is no terminal to ask for the {name}. Use --{name}-stdin.")
    return str(click.prompt(name.capitalize(), hide_input=True, confirmation_prompt=twice, err=True))


def confirm(question: str, yes: bool) -> None:
    """Ask before destroying something. Without a terminal, --yes is required (exit code 2)."""
    if yes:
        return
    if not sys.stdin.isatty():
        line = _again_with("--yes")
        raise click.UsageError(f"{question} There is no terminal to ask. If you are sure, run:\n\n    {line}")
    click.confirm(question, abort=True, err=True)


def _again_with(option: str) -> str:
    """Return the command line with one more option."""
    words = list(click.get_current_context().meta[ARGUMENTS])
    place = words.index("--") if "--" in words else len(words)
    return shlex.join(["authserver", *words[:place], option, *words[place:]])


def say_if_more(rows: Sequence[object], limit: int, instead: str = "") -> None:
    """Say that there are more than `limit`. `found` has one more if so; `instead` names another way to see them."""
    if len(rows) > limit:
        more = f"These are the newest {limit}; there are more. See them with --limit, up to {_MAX_LISTED}{instead}."
        click.echo(more, err=True)


def fail(message: str) -> click.ClickException:
    """Return an error with exit code 1."""
    return click.ClickException(message)

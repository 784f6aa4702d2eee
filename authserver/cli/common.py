"""What the commands share: the open database, passwords from where they may come, and how things are shown."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..domain.times import utc
from ..settings import Settings, load
from ..store.database import Connection

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def transaction(settings: Settings | None = None) -> Iterator[Connection]:
    """One transaction on the configured database, which must have this version's schema. Raises Misconfigured."""
    from ..app import open_database
    from ..store import migrations

    database = open_database(settings or load())
    try:
        with database.begin() as connection:
            migrations.check(connection)
            yield connection
    finally:
        database.close()


def show(value: Any, as_json: bool, text: Callable[[], str]) -> None:
    click.echo(json.dumps(value) if as_json else text())


def table(rows: Sequence[Sequence[object]], titles: Sequence[str]) -> str:
    """Columns as wide as their widest cell."""
    cells = [list(titles), *[["-" if cell is None else str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(titles))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def moment(microseconds: int | None) -> str | None:
    """ISO 8601 in UTC, to the second."""
    return None if microseconds is None else utc(microseconds)


def read_password(from_stdin: bool, name: str = "password", *, twice: bool = True) -> str:
    """From the first line of stdin, or asked for (twice); never from an argument, which others can see."""
    if from_stdin:
        try:
            return sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.UsageError(f"The {name} on stdin is not UTF-8.") from None
    if not sys.stdin.isatty():
        raise click.UsageError(f"There is no terminal to ask for the {name}; give it with --{name}-stdin.")
    return str(click.prompt(name.capitalize(), hide_input=True, confirmation_prompt=twice, err=True))


def fail(message: str) -> click.ClickException:
    """Exit code 1."""
    return click.ClickException(message)

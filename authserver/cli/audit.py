"""authserver audit list|show|export."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..domain.audit import OTHER_EVENTS, REQUEST_EVENTS
from ..domain.forwarded import network_named
from ..domain.times import parse_moment
from ..settings import load
from ..store import events, users
from ..store.events import Filter, StoredEvent, described
from .common import as_json, fail, fields, limited, moment, now, reading, say_if_more, show, table

if TYPE_CHECKING:
    from ..store.database import Connection

F = TypeVar("F", bound=Callable[..., Any])
_TITLES = ["id", "at", "event", "result", "actor", "user", "client_id", "network", "detail"]
_COLUMNS = [
    "id",
    "at",
    "event",
    "actor",
    "user",
    "subject",
    "client_id",
    "authorization_id",
    "network",
    "result",
    "detail",
]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet treats a cell that begins with one of these as a formula, which could send other cells to a
stranger."""


@click.group("audit")
def command() -> None:
    """Read the audit trail: who did what, when, from where and with what result.

    \b
    Examples:
      authserver audit list --user ada --since 24h
      authserver audit export --since 2026-01-01 > audit.jsonl
    """


def filters(function: F) -> F:
    """The options that select events."""
    options = [
        click.option("--since", help="Not before this time: 2026-01-31, 2026-01-31T12:00:00Z, or 24h, 7d ago."),
        click.option("--until", help="Before this time."),
        click.option("--user", help="Only about this user, by username."),
        click.option("--client", help="Only about this client, by client id."),
        click.option("--authorization", help="Only about this authorization, by id."),
        click.option(
            "--event",
            type=click.Choice(sorted({*REQUEST_EVENTS, *OTHER_EVENTS})),
            metavar="NAME",
            help="Only events of this name: docs/reference/events.md lists them.",
        ),
        click.option(
            "--network", help="Only from this network, or from that of this address: 192.0.2.0/24 or 192.0.2.7."
        ),
        click.option("--actor", help="Only by this actor: os:NAME, user:SUBJECT, client:CLIENT_ID, server."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command("list")
@filters
@limited
@as_json
def list_(limit: int, as_json: bool, **options: str | None) -> None:
    """List the newest events, newest first.

    \b
    Examples:
      authserver audit list --event login_failed --since 1h
      authserver audit list --client c_5f2b... --limit 1000 --json
    """
    with reading(load()) as connection:
        newest = events.newest(connection, _filter(connection, options), limit + 1)
    rows = [described(event) for event in newest[:limit]]
    show(rows, as_json, lambda: events_table(newest[:limit], _TITLES))
    say_if_more(newest, limit, instead=", or with `authserver audit export`")


@command.command("show")
@click.argument("id", type=int)
@as_json
def show_(id: int, as_json: bool) -> None:
    """Show the event ID with all of its fields. `audit list` prints the ids.

    \b
    Examples:
      authserver audit show 42
      authserver audit show 42 --json
    """
    with reading(load()) as connection:
        event = events.load(connection, id)
    if event is None:
        raise fail(f"There is no event {id}. To list the newest: authserver audit list")
    row = {"id": event.id, **described(event)}
    show(row, as_json, lambda: fields(row))


@command.command("export")
@filters
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON lines or CSV.",
)
def export(form: str, **options: str | None) -> None:
    """Print all events that match, oldest first, for a file or another system.

    In CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe.

    \b
    Examples:
      authserver audit export --since 2026-01-01 --until 2026-02-01 > january.jsonl
      authserver audit export --format csv --user ada > ada.csv
    """
    with reading(load()) as connection:
        stored = events.each(connection, _filter(connection, options))
        rows = ({"id": event.id, **described(event)} for event in stored)
        (_write_csv if form == "csv" else _write_lines)(rows)


def events_table(stored: Iterable[StoredEvent], titles: list[str]) -> str:
    """Return a table of the named fields of each event, the time to the second."""
    rows = ({"id": event.id, **described(event), "at": moment(event.at)} for event in stored)
    return table([[row[title] for title in titles] for row in rows], titles)


def _filter(connection: "Connection", options: dict[str, str | None]) -> Filter:
    at = now(connection)
    return Filter(
        since=_moment("--since", options["since"], at),
        until=_moment("--until", options["until"], at),
        subjects=_subjects(connection, options["user"]),
        client_id=options["client"],
        authorization_id=_authorization(options["authorization"]),
        event=options["event"],
        network=_network(options["network"]),
        actor=options["actor"],
    )


def _moment(option: str, text: str | None, at: int) -> int | None:
    try:
        return None if text is None else parse_moment(text, at)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"{option}: {text!r} is not a time. Use 2026-01-31, 2026-01-31T12:00:00Z, or 24h or 7d for a time ago."
        ) from None


def _network(text: str | None) -> str | None:
    try:
        return None if text is None else network_named(text)
    except ValueError:
        raise click.UsageError(
            f"--network: {text!r} is neither an address nor a network of the audit trail, which are /24 of IPv4 and /64"
            " of IPv6. Use 192.0.2.7, 192.0.2.0/24 or 2001:db8:0:1::/64."
        ) from None


def _subjects(connection: "Connection", name: str | None) -> list[str] | None:
    """Return the ids of the user, or of deleted users who had the name."""
    if name is None:
        return None
    from ..passwords import username_form

    username = username_form(name) or name
    user = users.load(connection, username)
    return [user.id] if user else events.subjects_named(connection, username)


def _authorization(id: str | None) -> bytes | None:
    try:
        return None if id is None else bytes.fromhex(id)
    except ValueError:
        raise click.UsageError("--authorization: an id has 32 hexadecimal digits.") from None


def _write_lines(rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        click.echo(json.dumps(row))


def _write_csv(rows: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in _COLUMNS])


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

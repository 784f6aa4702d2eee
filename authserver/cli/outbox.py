"""authserver outbox list|retry."""

from collections.abc import Sequence
from typing import Any

import click

from ..domain.outbox import Message
from ..settings import load
from ..store import outbox
from .common import ago, as_json, fail, limited, moment, now, reading, say_if_more, show, table, transaction
from .recording import record


@click.group("outbox")
def command() -> None:
    """Show the emails and logout tokens that the server has yet to send, and send one again.

    \b
    Examples:
      authserver outbox list
      authserver outbox retry 7
    """


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Also list those delivered within the last day.")
@limited
@as_json
def list_(every: bool, limit: int, as_json: bool) -> None:
    """List the newest undelivered messages: those that are waiting, and those given up within the last day.

    An email is listed with its recipient's domain, a logout token with its client. Their content is not shown.

    \b
    Examples:
      authserver outbox list
      authserver outbox list --all --json
    """
    with reading(load()) as connection:
        at = now(connection)
        messages = outbox.newest(connection, limit=limit + 1, delivered=every)
    rows = [_described(message) for message in messages[:limit]]
    show(rows, as_json, lambda: _table(messages[:limit], at))
    say_if_more(messages, limit)


@command.command("retry")
@click.argument("id", type=click.IntRange(1))
@as_json
def retry(id: int, as_json: bool) -> None:
    """Send the message ID again, even if it was given up. A running server sends it within a second.

    A message that is more than a day old gets one attempt.

    \b
    Examples:
      authserver outbox retry 7
      authserver outbox retry 7 --json
    """
    with transaction() as connection:
        message, at = outbox.load(connection, id), now(connection)
        if message is None:
            raise fail(f"There is no message {id}. To list those that were not delivered: authserver outbox list")
        if not outbox.retry(connection, id, at):
            raise fail(f"The message {id} was delivered at {moment(message.finished_at)}.")
        client_id = message.client_id or ""
        record(connection, "message_retried", at=at, client_id=client_id, to=message.queue, id=id)
        row = _described(outbox.load(connection, id) or message)
    click.echo(f"The message {id} is sent again within a second, if a server runs.", err=True)
    if as_json:
        show(row, as_json, str)


def _described(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "kind": message.kind,
        "to": message.receiver,
        "state": message.outcome or "waiting",
        "created_at": moment(message.created_at),
        "failures": message.failures,
        "reason": message.reason or None,
        "next_at": moment(message.next_at),
        "finished_at": moment(message.finished_at),
    }


def _table(messages: Sequence[Message], at: int) -> str:
    cells = [
        [
            message.id,
            message.kind,
            message.receiver,
            ago(at - message.created_at),
            message.failures,
            moment(message.next_at),
            (message.outcome or "waiting").replace("_", " "),
            message.reason,
        ]
        for message in messages
    ]
    return table(cells, ["id", "kind", "to", "created", "failures", "next attempt", "state", "reason"])

"""authserver session list|show|end."""

from typing import Any

import click

from ..domain.outbox import DELIVERED, GIVEN_UP, Message
from ..domain.session_end import EndedBy
from ..domain.session_state import end_reason
from ..domain.times import counted
from ..settings import load
from ..store import events, outbox, sessions
from ..store.database import Connection
from ..store.sessions import SignedIn
from .common import (
    ago,
    as_json,
    fail,
    fields,
    limited,
    moment,
    now,
    parse_id,
    reading,
    say_if_more,
    show,
    table,
    transact,
)
from .named_user import load_user
from .recording import record


@click.group("session")
def command() -> None:
    """Show and end browser sessions: each is a browser in which a user signed in.

    \b
    Examples:
      authserver session list --user ada
      authserver session end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
    """


@command.command("list")
@click.option("--user", help="Only this user's, by username.")
@click.option("--active", is_flag=True, help="Only those that have not ended.")
@limited
@as_json
def list_(user: str | None, active: bool, limit: int, as_json: bool) -> None:
    """List the newest sessions: user, browser, network, last use, and whether they are active.

    \b
    Examples:
      authserver session list --user ada --active
      authserver session list --limit 1000 --json
    """
    with reading(load()) as connection:
        at = now(connection)
        user_id = load_user(connection, user).id if user else None
        newest = sessions.newest(connection, user_id=user_id, active_at=at if active else None, limit=limit + 1)
    rows = [_described(signed_in, at) for signed_in in newest[:limit]]
    show(rows, as_json, lambda: _table(newest[:limit], at))
    say_if_more(newest, limit)


@command.command("show")
@click.argument("id")
@as_json
def show_(id: str, as_json: bool) -> None:
    """Show the session ID, and which clients were told that it ended. ID tokens call this id `sid`.

    If the session was deleted (with its user, or a day after its absolute end), only its end is left.

    \b
    Examples:
      authserver session show 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
      authserver session show 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60 --json
    """
    with reading(load()) as connection:
        row = _whole(connection, id)
        messages = outbox.of_session(connection, parse_id(id, "session"))
    tokens = {"logout_tokens": [_logout_token(message) for message in messages]}
    show(row | tokens, as_json, lambda: fields(row | {"logout_tokens": [_in_words(message) for message in messages]}))


@command.command("end")
@click.argument("id")
@click.option("--offline", is_flag=True, help="Also end the authorizations that would outlive the session.")
@as_json
def end(id: str, offline: bool, as_json: bool) -> None:
    """End the session ID: its user has to sign in again in that browser.

    The authorizations of this session end too. Those with `offline_access`, or without `openid`, stay active unless
    you pass `--offline`. Clients with a back-channel logout URI are told.

    \b
    Examples:
      authserver session end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60
      authserver session end 6f1c9e0b8a7d4c5e9f3b2a1d0c4e5f60 --offline --json
    """
    has_ended, row = transact(lambda connection: _end(connection, id, offline))
    click.echo("Ended." if has_ended else "It had already ended.", err=True)
    if as_json:
        show(row, as_json, str)


def _end(connection: Connection, id: str, offline: bool) -> tuple[bool, dict[str, Any]]:
    """End the session. Returns whether it had not ended before, and its row."""
    signed_in, at = _load(connection, id), now(connection)
    change = sessions.end(signed_in.session.id, offline=offline)
    (has_ended,) = change.apply(connection, [change.params], at)
    if has_ended:
        record(connection, "session_ended", at=at, user=signed_in.user, reason=EndedBy.OPERATOR, sid=id)
    return has_ended, _described(_load(connection, id), at)


def _load(connection: Connection, id: str) -> SignedIn:
    signed_in = sessions.load(connection, parse_id(id, "session"))
    if signed_in is None:
        raise _no_session(id)
    return signed_in


def _no_session(id: str) -> click.ClickException:
    return fail(f"There is no session {id}. A session is deleted with its user, or a day after its absolute end.")


def _whole(connection: Connection, id: str) -> dict[str, Any]:
    """Describe the session, with the reason for its end from the audit trail. If the session was deleted, its end is
    all that is left. Raises ClickException if there is nothing."""
    key = parse_id(id, "session")
    signed_in, ended = sessions.load(connection, key), events.end_of_session(connection, key)
    reason = {"reason": ended.record.detail.partition("; ")[0]} if ended else {}
    if signed_in is not None:
        return _described(signed_in, now(connection)) | reason
    if ended is None:
        raise _no_session(id)
    owner = {"id": id, "subject": ended.record.subject, "username": ended.record.user}
    return owner | {"ended_at": moment(ended.at), "state": "deleted", **reason}


def _described(signed_in: SignedIn, at: int) -> dict[str, Any]:
    session, user = signed_in.session, signed_in.user
    reason = end_reason(session, user, at)
    return {
        "id": session.id.hex(),
        "subject": user.id,
        "username": user.username,
        "network": session.network,
        "device": session.device or None,
        "created_at": moment(session.created_at),
        "authenticated_at": moment(session.authenticated_at),
        "seen_at": moment(session.seen_at),
        "ends_at": moment(session.ends_at),
        "kept": session.kept,
        "state": "ended" if reason else "active",
        "reason": reason,
    }


def _logout_token(message: Message) -> dict[str, Any]:
    """Describe the logout token for one client."""
    return {
        "client_id": message.client_id,
        "state": message.outcome or "waiting",
        "failures": message.failures,
        "reason": message.reason or None,
        "next_at": moment(message.next_at),
        "finished_at": moment(message.finished_at),
    }


def _in_words(message: Message) -> str:
    client, outcome = message.client_id, message.outcome
    failed = f" after {counted(message.failures, 'failure')}" if message.failures else ""
    if outcome == DELIVERED:
        return f"{client} received it at {moment(message.finished_at)}{failed}"
    if outcome == GIVEN_UP:
        return f"{client} did not receive it: given up at {moment(message.finished_at)}{failed} ({message.reason})"
    why = f" ({message.reason})" if message.reason else ""
    return f"{client} is told at {moment(message.next_at)}{failed}{why}"


def _table(newest: list[SignedIn], at: int) -> str:
    cells = [
        [
            signed_in.session.id.hex(),
            signed_in.user.username,
            signed_in.session.device,
            signed_in.session.network,
            ago(at - signed_in.session.seen_at),
            "ended" if end_reason(signed_in.session, signed_in.user, at) else "active",
        ]
        for signed_in in newest
    ]
    return table(cells, ["id", "user", "device", "network", "last used", "state"])

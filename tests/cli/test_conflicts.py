"""A command that conflicts with a server on the same database runs again, and does nothing twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from authserver.domain.errors import ChangedMeanwhile
from authserver.store import events

OF_CLIENTS = [("delete", "--yes"), ("set-alg", "ES256"), ("update", "--access-token-ttl", "60"), ("disable",)]


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`conflicts(2)`: the next two transactions that record an event fail when all is written, as in a deadlock."""
    add, left = events.add, [0]

    def add_or_fail(*arguments: Any, **options: Any) -> None:
        add(*arguments, **options)
        if left[0]:
            left[0] -= 1
            raise ChangedMeanwhile("a deadlock")

    def conflicts(times: int) -> None:
        left[0] = times

    monkeypatch.setattr(events, "add", add_or_fail)
    return conflicts


@pytest.mark.parametrize("words", OF_CLIENTS, ids=lambda words: words[0])
def test_a_command_on_a_client_runs_again(
    here: Path,
    cli: Callable[..., Result],
    data: Callable[..., Any],
    conflicts: Callable[[int], None],
    words: tuple[str, ...],
) -> None:
    client_id = data("client", "create", "App", "--grant", "password", "--auth-method", "none")["client_id"]
    conflicts(2)
    command, *rest = words
    cli("client", command, client_id, *rest)
    event = {"delete": "client_deleted", "disable": "client_disabled"}.get(command, "client_updated")
    assert [each["event"] for each in data("audit", "list", "--client", client_id)].count(event) == 1


def test_after_three_attempts_it_gives_up(
    here: Path, cli: Callable[..., Result], data: Callable[..., Any], conflicts: Callable[[int], None]
) -> None:
    client_id = data("client", "create", "App", "--grant", "password", "--auth-method", "none")["client_id"]
    conflicts(3)
    cli("client", "delete", client_id, "--yes", code=75)
    assert client_id in [client["client_id"] for client in data("client", "list")]

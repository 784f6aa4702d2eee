"""authserver user unblock: what an operator sees of an account's wrong passwords, and that they are forgotten."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from starlette.testclient import TestClient

from authserver.app import create_app
from authserver.domain.attempts import FREE
from authserver.settings import load
from tests.harness.constants import PASSWORD


@pytest.fixture
def log_in(data: Callable[..., Any], here: Path) -> Iterator[Callable[..., int]]:
    """`log_in("wrong")` is the status of /api/login of a server on the same database."""
    data("user", "create", "ada", "--password-stdin", input=PASSWORD)
    with TestClient(create_app(load())) as http:

        def log_in(password: str, username: str = "ada") -> int:
            return http.post("/api/login", json={"username": username, "password": password}).status_code

        yield log_in


def test_a_dry_run_shows_the_wait_and_without_it_the_account_is_free_again(
    log_in: Callable[..., int], data: Callable[..., Any], cli: Callable[..., Result]
) -> None:
    assert [log_in("wrong one") for _ in range(FREE + 1)] == [401] * FREE + [429]
    shown = data("user", "unblock", "ADA", "--dry-run")
    assert shown == {"username": "ADA", "wrong_passwords": FREE, "wait": 1}
    told = cli("user", "unblock", "ada").stderr
    assert told == "Forgot 10 wrong passwords for ada; unknown networks waited 1 second.\n"
    assert log_in(PASSWORD) == 200
    assert data("user", "unblock", "ada", "--dry-run")["wrong_passwords"] == 0
    (unblocked,) = data("audit", "list", "--event", "user_unblocked")
    assert (unblocked["user"], unblocked["detail"]) == ("ada", "wrong_passwords 10")


def test_a_name_without_an_account_can_be_unblocked_too(log_in: Callable[..., int], data: Callable[..., Any]) -> None:
    assert log_in("wrong one", "nobody") == log_in("wrong one", "a b") == 401
    assert [data("user", "unblock", name)["wrong_passwords"] for name in ("nobody", "a b", "else")] == [1, 1, 0]

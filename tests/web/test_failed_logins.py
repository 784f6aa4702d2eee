"""Failed logins tell nobody which accounts exist: the same bytes and the same work, at every endpoint that takes a
password. scripts/bench/proofs/timing.py measures the time."""

from collections.abc import Callable
from typing import Any

import argon2
import pytest
from argon2 import extract_parameters

from authserver.domain.models import User
from authserver.store import users
from tests.api.calling import LOGIN, Caller
from tests.harness.constants import PASSWORD
from tests.web.serving import LocalServer

OLD = argon2.PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
NO_FORM = "\a bell"  # neither a username nor a password can be this


@pytest.fixture(scope="module")
def server(shared: LocalServer, password_hash: str) -> LocalServer:
    """With two disabled users beside ada; eve's hash has older parameters."""
    with shared.database.begin() as connection:
        for name, hashed in (("bob", password_hash), ("eve", OLD)):
            users.add(connection, User(f"u_{name}", name, hashed, disabled=True))
    return shared


@pytest.fixture(params=["/token", LOGIN])
def fail(request: pytest.FixtureRequest, server: LocalServer) -> Callable[..., tuple[Any, ...]]:
    """`fail(username, password)`: everything of the response but its request id."""

    def fail(username: str, password: str) -> tuple[Any, ...]:
        if request.param == LOGIN:
            answer = Caller(server.http).login(username, password)
        else:
            form = {"grant_type": "password", "client_id": "app", "username": username, "password": password}
            answer = server.http.post("/token", data=form)
        del answer.headers["x-request-id"]
        return answer.status_code, answer.headers.multi_items(), answer.content

    return fail


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is hashed from now on: the parameters of each hash."""
    done: list[Any] = []
    verify, hash = argon2.PasswordHasher.verify, argon2.PasswordHasher.hash

    def verifying(self: Any, hashed: str, password: str) -> Any:
        done.append(extract_parameters(hashed))
        return verify(self, hashed, password)

    def hashing(self: Any, password: str) -> str:
        done.append(extract_parameters(made := hash(self, password)))
        return made

    monkeypatch.setattr(argon2.PasswordHasher, "verify", verifying)
    monkeypatch.setattr(argon2.PasswordHasher, "hash", hashing)
    return done


def test_known_unknown_and_disabled_accounts_get_the_same_response_for_the_same_work(
    fail: Callable[..., Any], work: list[Any]
) -> None:
    tries = [("ada", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD), ("bob", "wrong"), (NO_FORM, PASSWORD)]
    responses = [fail(*each) for each in tries]
    assert responses == [responses[0]] * len(tries)
    assert responses[0][0] in (400, 401)
    assert work == [work[0]] * len(tries)


def test_a_disabled_account_does_not_tell_its_password_by_a_hash_with_older_parameters(
    fail: Callable[..., Any], work: list[Any]
) -> None:
    assert fail("eve", PASSWORD) == fail("eve", "wrong")
    assert work == [extract_parameters(OLD)] * 2


def test_a_password_that_nobody_can_have_is_hashed_for_no_account(fail: Callable[..., Any], work: list[Any]) -> None:
    responses = [fail(username, NO_FORM) for username in ("ada", "nobody", "bob")]
    assert responses == [responses[0]] * 3
    assert work == []

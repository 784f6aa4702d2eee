"""The steps of the pipeline and their order, what a retry repeats, and what a refusal may write."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from authserver.clock import Clock
from authserver.domain.errors import KeyMissing, Unavailable
from authserver.domain.models import Client
from authserver.domain.outages import Outages
from authserver.pipeline.audit import RepeatableEvents
from authserver.pipeline.errors import Refusal, Stale
from authserver.pipeline.event import Event, LateEvents
from authserver.pipeline.handler import Decision, Handler, UnsignedToken
from authserver.pipeline.pipeline import ATTEMPTS, Pipeline
from authserver.store.changes import Change
from authserver.store.database import Database

APP = Client("app", "App", "none", frozenset(), ())
ANSWER = {"said": "hello"}


def _never(*_: Any) -> list[bool]:
    raise AssertionError("there is no database here")


CHANGE: Any = Change(_never, "users", "change", None)
REVOCATION: Any = Change(_never, "users", "revocation", None)


@dataclass
class Request:
    arrived_at: int = 7
    network: str = "192.0.2.0/24"


@dataclass
class Steps:
    """Everything that the pipeline calls, in the order in which it does; also its database, cache and keyring."""

    taken: list[Any] = field(default_factory=list)
    clients: dict[str, Client] = field(default_factory=lambda: {"app": APP})
    held: list[bool] = field(default_factory=list)
    """Whether the guards of the next writes hold; all others do."""
    remote: bool = False
    outages: Outages = field(default_factory=Outages)
    claims_hook: None = None

    @property
    def keyring(self) -> "Steps":
        return self

    async def get(self, client_id: str, *, refresh: bool) -> Client | None:
        self.taken.append(("client", client_id, refresh))
        return self.clients.get(client_id)

    async def load(self, loader: Any, key: Any) -> str:
        self.taken.append(("load", key))
        return "what was loaded"

    async def write(self, change: Any) -> bool:
        self.taken.append(("commit", change))
        return self.held.pop(0) if self.held else True

    def is_remote(self, alg: str) -> bool:
        return self.remote

    def sign(self, claims: dict[str, Any], moment: int, alg: str, typ: str, exact: bool) -> str:
        self.taken.append(("sign", claims, alg, typ))
        return f"signed {claims['n']}"

    async def sign_in_worker(self, sign: Any, *arguments: Any) -> str:
        self.taken.append("worker")
        return str(sign(*arguments))

    async def reload_keys(self) -> None:
        self.taken.append("reload keys")

    async def follow_clock(self) -> None:
        self.taken.append("follow clock")


class Greeting(Handler[dict[str, str]]):
    """Takes every step; tests replace single hooks."""

    loader: Any = staticmethod(dict)

    @property
    def steps(self) -> Any:
        return self.services

    def client_id(self) -> str | None:
        return "app"

    def accept_client(self, client: Client | None) -> None:
        self.steps.taken.append("accept")

    def check_client(self) -> None:
        self.steps.taken.append(("check", self.client.id))

    def key(self) -> str:
        return "key"

    async def authenticate(self) -> None:
        self.steps.taken.append("authenticate")

    def decide(self) -> Decision[dict[str, str]]:
        self.steps.taken.append(("decide", self.loaded))
        return Decision(
            ANSWER, CHANGE, (token(1), token(2)), with_tokens=lambda *both: both[0] | both[1], events=[Event("done")]
        )


def token(number: int) -> UnsignedToken:
    return UnsignedToken(f"token {number}", {"n": number}, "RS256", "JWT")


ACCEPTED = ["accept", ("check", "app")]
DECIDED = [("load", "key"), "authenticate", ("decide", "what was loaded")]
SIGNED = [("sign", {"n": 1}, "RS256", "JWT"), ("sign", {"n": 2}, "RS256", "JWT")]
WHOLE = [("client", "app", False), *ACCEPTED, *DECIDED, *SIGNED, ("commit", CHANGE)]
AGAIN = ["follow clock", ("client", "app", True), *WHOLE[1:]]


def run(steps: Any, handler: Any = Greeting) -> Any:
    clock, database = Clock(lambda: 9, lambda: 9), cast("Database", steps)
    pipeline = Pipeline(
        steps,
        steps,
        steps,
        steps.reload_keys,
        steps.sign_in_worker,
        clock,
        steps.follow_clock,
        RepeatableEvents(database),
    )
    return asyncio.run(pipeline.run(Request(), handler))


@pytest.fixture
def steps() -> Steps:
    return Steps()


def test_each_step_is_taken_once_in_the_order_of_the_list(steps: Steps) -> None:
    assert run(steps) == {"said": "hello", "token 1": "signed 1", "token 2": "signed 2"}
    assert steps.taken == WHOLE


def test_what_a_handler_has_no_use_for_is_not_done(steps: Steps) -> None:
    class Bare(Handler[str]):
        def decide(self) -> Decision[Any]:
            return Decision(f"at {self.now}")

    assert run(steps, Bare) == "at 7"
    assert steps.taken == []


def test_an_attempt_without_an_accepted_client_has_none(steps: Steps) -> None:
    class Curious(Handler[str]):
        def decide(self) -> Decision[Any]:
            return Decision(self.client.id)

    with pytest.raises(LookupError):
        run(steps, Curious)


def test_a_remote_key_signs_in_the_worker_one_token_after_the_other(steps: Steps) -> None:
    steps.remote = True
    assert run(steps)["token 2"] == "signed 2"
    assert steps.taken == [*WHOLE[:-3], "worker", SIGNED[0], "worker", SIGNED[1], WHOLE[-1]]


def test_a_signature_that_fails_leaves_nothing_written(steps: Steps) -> None:
    def fail(*signing: object) -> str:
        raise Unavailable("the signer is down")

    steps.sign = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(Unavailable):
        run(steps)
    assert ("commit", CHANGE) not in steps.taken


def test_a_change_whose_guard_did_not_hold_begins_a_new_attempt_with_a_fresh_client(steps: Steps) -> None:
    steps.held = [False]
    assert run(steps)["said"] == "hello"
    assert steps.taken == WHOLE + AGAIN


def test_after_three_attempts_it_is_503_and_no_event_tells_of_a_success(steps: Steps) -> None:
    steps.held = [False] * ATTEMPTS
    with (
        capture_logs() as entries,
        pytest.raises(Unavailable, match=r"^Gave up after 3 attempts: conflicting updates\.$"),
    ):
        run(steps)
    assert steps.taken == WHOLE + AGAIN * 2
    assert entries == []


def test_a_stale_load_begins_a_new_attempt_and_the_handler_knows_its_number(steps: Steps) -> None:
    class Doubtful(Greeting):
        def decide(self) -> Decision[Any]:
            if self.attempt.number < 2:
                raise Stale
            return Decision({"number": str(self.attempt.number)})

    assert run(steps, Doubtful) == {"number": "2"}


def test_the_keys_are_read_once_for_a_missing_key(steps: Steps) -> None:
    class Locked(Greeting):
        def decide(self) -> Decision[Any]:
            raise KeyMissing("not read yet")

    with pytest.raises(KeyMissing):
        run(steps, Locked)
    assert steps.taken.count("reload keys") == 1
    assert steps.taken.count("authenticate") == 2


class Choosy(Greeting):
    """Accepts nobody."""

    def accept_client(self, client: Client | None) -> None:
        raise Refusal("invalid_client", "wrong secret", 401)


def test_a_client_that_is_not_accepted_is_looked_up_again_before_it_is_refused(steps: Steps) -> None:
    with pytest.raises(Refusal):
        run(steps, Choosy)
    assert steps.taken == [("client", "app", False), "follow clock", ("client", "app", True)]


def test_a_client_that_does_not_exist_is_refused_at_once_and_its_id_is_not_logged(steps: Steps) -> None:
    steps.clients = {}
    with capture_logs() as entries, pytest.raises(Refusal):
        run(steps, Choosy)
    assert steps.taken == [("client", "app", False)]
    assert [entry["client_id"] for entry in entries] == [""]


class Strict(Greeting):
    """Refuses, and writes something with that."""

    def decide(self) -> Decision[Any]:
        raise Refusal("no", "too late", writes=REVOCATION, events=[Event("theft", "error")])

    def about(self) -> dict[str, str]:
        return {"subject": "ada"}


def test_a_refusal_writes_what_it_names_before_it_is_logged_and_answered(steps: Steps) -> None:
    with capture_logs() as entries, pytest.raises(Refusal) as refused:
        run(steps, Strict)
    assert steps.taken[-1] == ("commit", REVOCATION)
    shared = {"client_id": "app", "network": "192.0.2.0/24", "subject": "ada"}
    assert entries == [
        {"event": "theft", "log_level": "error", **shared},
        {"event": "refused", "log_level": "info", "error": "no", "reason": "too late", **shared},
    ]
    assert refused.value.code == "no"


def test_a_handler_may_answer_its_refusals_itself(steps: Steps) -> None:
    class Polite(Strict):
        def refuse(self, refusal: Refusal) -> dict[str, str]:
            return {"sorry": refusal.code}

    assert run(steps, Polite) == {"sorry": "no"}


def test_events_are_read_after_the_commit_and_logged_with_their_level_and_fields(steps: Steps) -> None:
    class Telling(Greeting):
        def decide(self) -> Decision[Any]:
            return Decision(ANSWER, CHANGE, events=LateEvents(self.events))

        def events(self) -> Iterator[Event]:
            yield Event("first", "warning", {"commits": str(self.steps.taken.count(("commit", CHANGE)))})

    with capture_logs() as entries:
        run(steps, Telling)
    shared = {"client_id": "app", "network": "192.0.2.0/24"}
    assert entries == [{"event": "first", "log_level": "warning", "commits": "1", **shared}]

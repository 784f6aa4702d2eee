"""A refused refresh changes nothing: a property over all refusals. Reuse alone writes, and only that it revokes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.constants import SECOND
from tests.harness.sample_database import as_client
from tests.web import answers
from tests.web.answers import ExpectedError, assert_refused
from tests.web.serving import LocalServer, Logins, add_client, everything, execute

WINDOW = 30
UNKNOWN_KEY = "a refresh-token key that nobody has"


@dataclass(frozen=True)
class Case:
    """One way to be refused: what is different about the login, and about the request."""

    refusal: ExpectedError
    login: Callable[[int], dict[str, Any]] = lambda now: {}
    form: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[str], str] = lambda text: text
    authorization: str | None = None
    query: str = ""


def changed(place: int, with_: str) -> Callable[[str], str]:
    return lambda text: text[:place] + (with_ if text[place] != with_ else "-") + text[place + 1 :]


UNKNOWN = [
    st.builds(changed, st.integers(3, 74), st.sampled_from("AZaz09_")),
    st.sampled_from([lambda text: text[:-1], lambda text: text + "A", lambda text: text.swapcase(), lambda _: "rt_"]),
    st.text(min_size=1, max_size=90).filter(lambda text: "\0" not in text).map(lambda other: lambda _: other),
]
FOREIGN = [as_client("other"), as_client("web")]
DEAD = [
    lambda now: {"revoked_at": now - 1, "revoked_reason": "revoked"},
    lambda now: {"idle_expires_at": now},
    lambda now: {"expires_at": now, "idle_expires_at": now},
    lambda now: {"expires_at": now},
    lambda now: {"credential_version": 1},
    lambda now: {"subject": "u_disabled"},
]
# These do not even look at the token.
UNHEARD = [
    Case(answers.INVALID_CLIENT, form={"client_secret": "wrong"}),
    Case(answers.INVALID_CLIENT, form={"client_id": "disabled"}),
    Case(answers.INVALID_CLIENT, form={"client_id": "nobody"}),
    Case(answers.CHALLENGED, authorization="Basic YXBwOmFwcA=="),
    Case(answers.UNAUTHORIZED_CLIENT, form={"client_id": "no-refresh"}),
    Case(answers.INVALID_REQUEST, form={"client_id": ["app", "app"]}),
    Case(answers.INVALID_REQUEST, form={"scope": ["read", "read"]}),
    Case(answers.INVALID_REQUEST, form={"unknown": "\0"}),
    Case(answers.INVALID_REQUEST, query="?scope=read"),
    Case(answers.UNSUPPORTED_GRANT_TYPE, form={"grant_type": "refresh"}),
]
# These refuse what the token would be good for: it is the newest, or the one before, or ahead of its row.
UNGRANTED = [
    Case(answers.INVALID_SCOPE, form={"scope": "read write admin"}),
    Case(answers.INVALID_SCOPE, form={"scope": "\u00e9"}),
    Case(answers.INVALID_SCOPE, form={"scope": "x" * 2000}),
    Case(answers.INVALID_TARGET, form={"resource": "https://unknown.example"}),
    Case(answers.INVALID_TARGET, lambda now: {"resources": ("https://withdrawn.example",)}),
    Case(answers.INVALID_GRANT, lambda now: {"scope": ("withdrawn",)}),
    Case(answers.INVALID_GRANT, lambda now: {"expires_at": now + SECOND // 2}),
    Case(answers.UNAVAILABLE, lambda now: {"refresh_key_id": UNKNOWN_KEY}),
]


@st.composite
def refusals(draw: Any) -> tuple[Case, int, int, int]:
    """A case, the generation that is presented, the row's, and how long ago (microseconds) it was rotated."""
    generation = draw(st.integers(0, 4))
    elapsed = draw(st.sampled_from([0, 1, WINDOW * SECOND - 1, WINDOW * SECOND, 100 * SECOND, -5 * SECOND]))
    recent = (generation - 1,) if generation > 0 and elapsed < WINDOW * SECOND else ()
    if draw(st.booleans()):
        case = draw(st.sampled_from(UNGRANTED))
        return case, draw(st.sampled_from([generation, generation + 2, *recent])), generation, elapsed
    foreign = st.sampled_from(FOREIGN).map(lambda form: Case(answers.INVALID_GRANT, form=form))
    dead = st.sampled_from(DEAD).map(lambda login: Case(answers.INVALID_GRANT, login))
    unknown = st.one_of(UNKNOWN).map(lambda spoil: Case(answers.INVALID_GRANT, spoil=spoil))
    case = draw(st.one_of(st.sampled_from(UNHEARD), foreign, dead, unknown))
    return case, draw(st.integers(0, 6)), generation, elapsed


@pytest.fixture(scope="module")
def logins(shared: LocalServer) -> Any:
    add_client(shared.database, "app", id="disabled", disabled=True)
    add_client(shared.database, "app", id="no-refresh", grant_types=frozenset({"password"}))
    execute(
        shared.database,
        "INSERT INTO users (id, username, password_hash, credential_version, disabled, created_at)"
        " VALUES ('u_disabled', 'disabled', '', 0, 1, 0)",
    )
    return Logins(shared.database, shared.settings, shared.clock)


def plant_and_present(shared: Any, logins: Any, case: Any, presented: Any, generation: Any, elapsed: Any) -> Any:
    """The answer, and the tables before and after it."""
    execute(shared.database, "DELETE FROM authorizations")
    now = shared.clock()
    login = logins.plant(1, generation=generation, rotated_at=now - elapsed, **case.login(now))
    key = bytes(32) if login.refresh_key_id == UNKNOWN_KEY else None
    text = case.spoil(logins.token(login, presented, key))
    form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": text} | case.form
    headers = {"Authorization": case.authorization} if case.authorization else {}
    before = tables(shared)
    answer = shared.http.post("/token" + case.query, data=form, headers=headers)
    return answer, before, tables(shared)


def tables(shared: Any) -> Any:
    """But for that in which the server, by itself, notes when it last pruned."""
    return {name: rows for name, rows in everything(shared.database).items() if name != "pruning"}


@settings(max_examples=300)
@given(refusals())
def test_a_refused_refresh_changes_nothing(shared: LocalServer, logins: Any, refusal: Any) -> None:
    answer, before, after = plant_and_present(shared, logins, *refusal)
    assert_refused(answer, refusal[0].refusal)
    assert after == before


@pytest.mark.parametrize(("presented", "then"), [(3, 4), (2, 3), (5, 6)], ids=["rotate", "retry", "ahead"])
def test_what_is_refused_above_is_refused_for_that_reason_alone(
    shared: LocalServer, logins: Any, presented: int, then: int
) -> None:
    """Without a case's difference the same requests are granted: they do not fail anyhow."""
    answer, _, after = plant_and_present(shared, logins, Case(answers.INVALID_GRANT), presented, 3, 0)
    answers.assert_granted(answer)
    assert after["authorizations"][0]["generation"] == then


@settings(max_examples=100)
@given(st.integers(1, 5), st.data())
def test_reuse_is_the_only_refusal_that_writes_and_it_only_revokes(
    shared: LocalServer, logins: Any, generation: Any, data: Any
) -> None:
    presented = data.draw(st.integers(0, generation - 1))
    recent = presented == generation - 1
    elapsed = data.draw(st.sampled_from([WINDOW * SECOND, 100 * SECOND] if recent else [0, 1, 100 * SECOND]))
    form = data.draw(st.sampled_from([{}, {"scope": "admin"}, {"resource": "https://unknown.example"}]))
    case = Case(answers.INVALID_GRANT, form=form)
    answer, before, after = plant_and_present(shared, logins, case, presented, generation, elapsed)
    assert_refused(answer, answers.INVALID_GRANT)
    (row,) = before["authorizations"]
    assert after == before | {"authorizations": [row | {"revoked_at": shared.clock(), "revoked_reason": "reuse"}]}

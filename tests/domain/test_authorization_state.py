"""An authorization is active exactly when a refresh is accepted; what may be active again is suspended."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.authorization_state import state_of
from authserver.domain.models import SECOND, Client, Policy, User
from authserver.domain.rotation import Verdict, judge
from tests.store.rows import NOW, a_login

CLIENT = Client("app", "App", "none", frozenset(), ())
USER = User("u_ada", "ada", "hash")
DAY = 86400 * SECOND


def state(row: Any, *, client: Any = CLIENT, user: Any = USER, now: Any = NOW) -> Any:
    return state_of(row, client=client, user=user, policy=Policy(), now=now)


@pytest.mark.parametrize(
    ("row", "others", "word", "reason", "ends"),
    [
        ({}, {}, "active", None, 7 * DAY),
        ({"idle_expires_at": NOW + 31 * DAY}, {}, "active", None, 30 * DAY),
        ({}, {"client": replace(CLIENT, disabled=True)}, "suspended", "client disabled", 7 * DAY),
        ({}, {"user": replace(USER, disabled=True)}, "suspended", "user disabled", 7 * DAY),
        ({}, {"user": replace(USER, disabled=True, credential_version=1)}, "ended", "password changed", 7 * DAY),
        ({}, {"user": None}, "ended", "user deleted", 7 * DAY),
        ({}, {"client": None}, "ended", "client deleted", 7 * DAY),
        ({}, {"now": NOW + 7 * DAY}, "ended", "idle for 7 days, ended at", 7 * DAY),
        ({"expires_at": NOW + DAY}, {"now": NOW + DAY}, "ended", "reached its absolute end", DAY),
        ({"revoked_at": NOW + 5, "revoked_reason": "reuse"}, {}, "ended", "revoked by reuse at", 5),
        ({"revoked_at": NOW + 5, "revoked_reason": "operator"}, {}, "ended", "ended by an operator at", 5),
    ],
)
def test_each_state_has_its_word_its_reason_and_its_end(
    row: Any, others: Any, word: str, reason: str | None, ends: Any
) -> None:
    found = state(a_login(**row), **others)
    assert (found.word, found.ends_at) == (word, NOW + ends)
    assert found.reason == reason or found.reason.startswith(reason)


@given(
    revoked_at=st.sampled_from([None, NOW]),
    idle=st.integers(-1, 1),
    absolute=st.integers(-1, 1),
    version=st.integers(0, 1),
    disabled=st.booleans(),
    has_user=st.booleans(),
)
def test_it_is_active_exactly_when_a_refresh_is_accepted(
    revoked_at: Any, idle: int, absolute: int, version: int, disabled: bool, has_user: bool
) -> None:
    row = a_login(revoked_at=revoked_at, idle_expires_at=NOW + idle, expires_at=NOW + absolute)
    user = replace(USER, credential_version=version, disabled=disabled) if has_user else None
    verdict = judge(0, row, client=CLIENT, user=user, policy=Policy(), now=NOW, elapsed=0)
    assert (state(row, user=user).word == "active") == (verdict is Verdict.ROTATE)

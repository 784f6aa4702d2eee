"""When a browser session is active, and when it ends."""

from dataclasses import replace

import pytest

from authserver.domain import session_state
from authserver.domain.models import SECOND, Policy, User
from tests.harness.sign_in_rows import session

NOW = 1_800_000_000 * SECOND
ADA = User("u_ada", "ada", "hash")
SESSION = session(1, NOW)


@pytest.mark.parametrize(
    ("changes", "user", "active"),
    [
        ({}, ADA, True),
        ({"idle_expires_at": NOW + 1}, ADA, True),
        ({"idle_expires_at": NOW}, ADA, False),
        ({"expires_at": NOW}, ADA, False),
        ({"ended_at": NOW}, ADA, False),
        ({"ended_at": NOW - 1}, ADA, False),
        ({}, None, False),
        ({}, replace(ADA, disabled=True), False),
        ({}, replace(ADA, credential_version=1), False),
        ({"credential_version": 1}, replace(ADA, credential_version=1), True),
    ],
)
def test_a_session_is_active_until_one_of_its_ends(changes: dict[str, int], user: User | None, active: bool) -> None:
    assert session_state.is_active(replace(SESSION, **changes), user, NOW) is active  # type: ignore[arg-type]


def test_a_session_that_is_kept_has_no_idle_end_of_its_own() -> None:
    policy, end = Policy(session_idle_ttl=60), NOW + 100 * SECOND
    assert session_state.idle_end(NOW, policy, kept=False, expires_at=end) == NOW + 60 * SECOND
    assert session_state.idle_end(NOW, policy, kept=True, expires_at=end) == end
    assert session_state.idle_end(NOW + 50 * SECOND, policy, kept=False, expires_at=end) == end

"""Which refresh-token key new authorizations use, and when an old one may be removed: to the microsecond."""

from dataclasses import replace

import pytest

from authserver.domain.models import SECOND, RefreshTokenKey
from authserver.domain.refresh_key_schedule import LEAD_TIME, has_late_logins, newest, replaced, waiting

NOW = 1_800_000_000 * SECOND
HOUR = 3600 * SECOND


def key(active_at: int, revoked_at: int | None = None) -> RefreshTokenKey:
    return RefreshTokenKey(f"refresh-{active_at}-{revoked_at}", "wrapped", active_at, active_at, revoked_at)


OLD, HOUR_OLD, YOUNGER, REVOKED = key(0), key(NOW - HOUR), key(NOW - HOUR + 1), key(NOW - 1, revoked_at=NOW)


@pytest.mark.parametrize(
    ("keys", "gone"),
    [
        ((), ()),
        ((OLD,), ()),
        ((OLD, HOUR_OLD), (OLD,)),
        ((OLD, YOUNGER), ()),
        ((OLD, key(NOW + 1)), ()),
        ((REVOKED, HOUR_OLD), (REVOKED,)),
        ((REVOKED, YOUNGER), ()),
    ],
    ids=["none", "only", "replaced an hour ago", "replaced just now", "waiting", "revoked", "revoked just now"],
)
def test_a_key_may_go_once_no_process_has_used_it_for_an_hour(
    keys: tuple[RefreshTokenKey, ...], gone: tuple[RefreshTokenKey, ...]
) -> None:
    assert replaced(keys, NOW) == gone


SOON = NOW + LEAD_TIME * SECOND


@pytest.mark.parametrize(
    ("keys", "used", "waits"),
    [
        ([key(0), key(1)], key(1), None),
        ([key(1), key(0)], key(1), None),
        ([key(0), key(NOW)], key(NOW), None),
        ([key(0), key(NOW + 1)], key(0), key(NOW + 1)),
        ([key(0), key(SOON)], key(0), key(SOON)),
        ([key(0), key(SOON + 1)], key(0), None),
        ([key(0), key(NOW + 1, revoked_at=NOW)], key(0), None),
        ([key(NOW + 1)], key(NOW + 1), key(NOW + 1)),
        ([key(0), key(1, revoked_at=NOW)], key(0), None),
        ([key(0, revoked_at=NOW), key(1, revoked_at=NOW)], key(1, revoked_at=NOW), None),
        ([replace(key(0), id="a"), replace(key(0), id="b")], replace(key(0), id="b"), None),
    ],
)
def test_the_key_of_new_authorizations_and_the_one_that_waits(
    keys: list[RefreshTokenKey], used: RefreshTokenKey, waits: RefreshTokenKey | None
) -> None:
    assert newest(tuple(keys), NOW) == used
    assert waiting(tuple(keys), NOW) == waits


@pytest.mark.parametrize(("ago", "late"), [(0, True), (119_999_999, True), (120_000_000, False), (-120_000_000, False)])
def test_a_process_may_begin_logins_under_a_revoked_key_for_two_minutes(ago: int, late: bool) -> None:
    assert has_late_logins((key(0, revoked_at=NOW - ago), key(1)), NOW) is late
    assert not has_late_logins((key(1),), NOW)

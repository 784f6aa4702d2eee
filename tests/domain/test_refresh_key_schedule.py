"""When a refresh-token key may be removed."""

import pytest

from authserver.domain.models import SECOND, RefreshTokenKey
from authserver.domain.refresh_key_schedule import replaced

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

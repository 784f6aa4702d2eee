"""No rotation ends a secret that is valid unless it is told which one."""

from typing import Any

import pytest

from authserver.domain.client_secrets import TwoValid, rotated, valid
from authserver.domain.models import SECOND, Client, Secret

NOW = 1_800_000_000 * SECOND
FRESH = Secret(b"fresh")


def a_client(*secrets: Any) -> Any:
    return Client("web", "Web", "client_secret_basic", frozenset(), (), secrets=secrets)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((), []),
        ((Secret(b"1"),), [Secret(b"1", NOW + 60 * SECOND)]),
        ((Secret(b"1", NOW + 1),), [Secret(b"1", NOW + 1)]),
        ((Secret(b"1", NOW),), []),
        ((Secret(b"1"), Secret(b"0", NOW)), [Secret(b"1", NOW + 60 * SECOND)]),
    ],
    ids=["none", "lasting", "ending sooner", "ended", "the other one has ended"],
)
@pytest.mark.parametrize("ends", [None, "old", "new"])
def test_one_that_is_valid_stays_for_the_grace_whatever_is_to_be_replaced(
    before: Any, after: Any, ends: str | None
) -> None:
    assert rotated(a_client(*before), FRESH, now=NOW, grace=60, ends=ends).secrets == (FRESH, *after)


NEW, OLD = Secret(b"new"), Secret(b"old", NOW + 5)


def test_two_that_are_valid_are_refused_unless_it_is_said_which_one_ends() -> None:
    client = a_client(NEW, OLD)
    with pytest.raises(TwoValid) as refused:
        rotated(client, FRESH, now=NOW, grace=60)
    assert (refused.value.new, refused.value.old) == (NEW, OLD)
    for ends, stays in (("old", b"new"), ("new", b"old")):
        after = rotated(client, FRESH, now=NOW, grace=60, ends=ends)
        assert after.secrets == (FRESH, Secret(stays, NOW + 60 * SECOND))
        assert len(valid(after, NOW)) == 2 and valid(after, NOW + 60 * SECOND) == (FRESH,)


def test_without_grace_only_the_fresh_one_is_valid() -> None:
    assert valid(rotated(a_client(NEW), FRESH, now=NOW, grace=0), NOW) == (FRESH,)

"""Links that are sent to people: their secrets, and when they work."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import links
from authserver.domain.models import SECOND, Link, LinkKind, User

NOW = 1_800_000_000 * SECOND
KEY = bytes(range(32))
ADA = User("u_ada", "ada", "$argon2id$", credential_version=2)
RESET = links.new(LinkKind.RESET, bytes(16), refresh_key_id="refresh-1", now=NOW, user=ADA, address="ada@example.com")
SIGN_UP = links.new(LinkKind.SIGN_UP, bytes(16), refresh_key_id="refresh-1", now=NOW, address="bob@example.com")


@given(st.binary(min_size=16, max_size=16))
def test_a_secret_names_its_link(id: bytes) -> None:
    secret = links.render(replace(RESET, id=id), KEY)
    assert links.id_of(secret) == id and len(secret) == 67


@given(st.text() | st.from_regex(r"lk_[A-Za-z0-9_-]{64}", fullmatch=True))
def test_anything_else_is_refused_without_an_error(text: str) -> None:
    id = links.id_of(text)
    assert id is None or text != links.render(replace(RESET, id=id), KEY)


def test_the_secret_depends_on_everything_that_a_link_is_for() -> None:
    others: list[Link] = [
        replace(RESET, id=bytes(15) + b"\x01"),
        replace(RESET, kind=LinkKind.EMAIL),
        replace(RESET, user_id="u_bob"),
        replace(RESET, address="eve@example.com"),
        replace(RESET, credential_version=3),
    ]
    assert len({links.render(each, KEY) for each in [RESET, *others]}) == 1 + len(others)
    assert links.render(RESET, KEY) != links.render(RESET, bytes(32))


@pytest.mark.parametrize(
    ("link", "user", "after", "why"),
    [
        (RESET, ADA, 0, ""),
        (RESET, ADA, links.LIFETIME * SECOND - 1, ""),
        (RESET, ADA, links.LIFETIME * SECOND, "link expired"),
        (replace(RESET, used_at=NOW), ADA, 1, "link used already"),
        (RESET, replace(ADA, credential_version=3), 1, "password changed since"),
        (RESET, replace(ADA, disabled=True), 1, "user disabled"),
        (RESET, None, 1, "no such user"),
        (replace(RESET, kind=LinkKind.EMAIL), ADA, 1, "link of another kind"),
    ],
)
def test_when_a_link_works(link: Link, user: User | None, after: int, why: str) -> None:
    assert links.why_dead(link, user, LinkKind.RESET, NOW + after) == why


def test_a_link_for_somebody_without_an_account_needs_no_user() -> None:
    assert links.why_dead(SIGN_UP, None, LinkKind.SIGN_UP, NOW) == ""


def test_a_link_begins_with_the_issuer() -> None:
    assert links.url("https://login.example", LinkKind.RESET, "lk_x") == (
        "https://login.example/reset/password?link=lk_x"
    )

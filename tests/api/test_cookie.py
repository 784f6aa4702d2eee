"""The refresh token as a cookie: its flags, what is never in the JSON, and which of several cookies is accepted."""

from typing import Any

import pytest

from authserver.settings import Settings
from authserver.store.database import Database
from tests.api.calling import (
    CLEARED,
    COOKIE,
    DEAD_TOKEN,
    IS_JSON,
    LOGIN,
    LOGOUT,
    MALFORMED,
    REFRESH,
    Caller,
    assert_done,
    assert_refused,
    assert_tokens,
    assert_tokens_by_cookie,
)
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.web.serving import LocalServer, everything, the_login

OWN = ("Origin", ISSUER)
by_either = pytest.mark.parametrize("path", [REFRESH, LOGOUT])


def test_the_token_is_in_the_cookie_and_never_in_the_json(api: Caller, cookie: str, database: Database) -> None:
    tokens = [cookie]
    for _ in range(3):
        tokens.append(assert_tokens_by_cookie(api.by_cookie(REFRESH, tokens[-1])))
    assert len(set(tokens)) == 4
    assert the_login(database)["generation"] == 3


def test_a_retry_sets_the_same_cookie(api: Caller, cookie: str, clock: Clock) -> None:
    successor = assert_tokens_by_cookie(api.by_cookie(REFRESH, cookie))
    clock.forward(29.999999)
    assert assert_tokens_by_cookie(api.by_cookie(REFRESH, cookie)) == successor


@pytest.mark.parametrize("members", [{}, {"cookie": False}])
def test_a_caller_that_asks_for_no_cookie_gets_none(api: Caller, members: Any) -> None:
    assert_tokens(api.login(**members))


def test_a_login_by_body_ignores_somebodys_cookie(api: Caller, cookie: str) -> None:
    credentials = '{"username": "ada", "password": "' + PASSWORD + '"}'
    assert_tokens(api.post(LOGIN, credentials, IS_JSON, ("Cookie", f"{COOKIE}={cookie}")))


def test_a_wrong_password_sets_none(api: Caller) -> None:
    answer = api.login("ada", "wrong", cookie=True)
    assert (answer.status_code, answer.headers.get("set-cookie")) == (401, None)


@pytest.mark.parametrize("settings", [{"refresh_idle_ttl": 600, "refresh_absolute_ttl": 1000}], indirect=True)
def test_max_age_ends_with_the_login(api: Caller, clock: Clock) -> None:
    token = assert_tokens_by_cookie(api.login(cookie=True), 600)
    clock.forward(300)
    token = assert_tokens_by_cookie(api.by_cookie(REFRESH, token), 600)
    clock.forward(300.5)
    token = assert_tokens_by_cookie(api.by_cookie(REFRESH, token), 399)
    clock.forward(399)
    assert_refused(api.by_cookie(REFRESH, token), DEAD_TOKEN)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"issuer": "https://as.example/tenant"}, ("__Host-refresh_token", "; Secure")),
        ({"issuer": "http://127.0.0.1:8000"}, ("refresh_token", "")),
        ({"issuer": "http://localhost:8000/tenant"}, ("refresh_token", "")),
        ({"issuer": "http://[::1]:8000"}, ("refresh_token", "")),
    ],
    indirect=["settings"],
)
def test_the_flags_follow_the_issuer(api: Caller, settings: Settings, expected: Any) -> None:
    name, secure = expected
    scheme, _, rest = settings.issuer.partition("://")
    base, origin = rest.partition("/")[2], f"{scheme}://{rest.partition('/')[0]}"
    path = f"/{base}{LOGIN}" if base else LOGIN
    members = {"username": "ada", "password": PASSWORD, "cookie": True}
    answer = api.json(path, members, ("Origin", origin))
    value, _, flags = answer.headers["set-cookie"].partition("; ")
    assert value.startswith(f"{name}=rt_")
    assert flags == f"Max-Age=604800; Path=/; HttpOnly; SameSite=Strict{secure}"


@by_either
@pytest.mark.parametrize("member", ["the same", "another", "", None, 1])
def test_a_token_in_the_cookie_and_in_the_body_is_malformed(
    still: Caller, kept: str, shared: LocalServer, path: Any, member: int | str | None
) -> None:
    tokens: dict[Any, Any] = {"the same": kept, "another": "rt_"}
    token = tokens.get(member, member)
    before = everything(shared.database)
    answer = still.json(path, {"refresh_token": token}, ("Cookie", f"{COOKIE}={kept}"), OWN)
    assert_refused(answer, MALFORMED)
    assert everything(shared.database) == before


@by_either
@pytest.mark.parametrize("content", ["{}", '{"x": 1}', " {} "])
def test_a_body_without_a_token_leaves_it_to_the_cookie(api: Caller, cookie: str, path: Any, content: str) -> None:
    answer = api.post(path, content, IS_JSON, ("Cookie", f"{COOKIE}={cookie}"), OWN)
    assert_done(answer, CLEARED) if path == LOGOUT else assert_tokens_by_cookie(answer)


@by_either
@pytest.mark.parametrize("content", ["[]", "{", "x=1"])
def test_a_malformed_body_is_refused_in_spite_of_the_cookie(
    still: Caller, kept: str, shared: LocalServer, path: Any, content: str
) -> None:
    before = everything(shared.database)
    assert_refused(still.post(path, content, IS_JSON, ("Cookie", f"{COOKIE}={kept}"), OWN), MALFORMED)
    assert everything(shared.database) == before


@by_either
@pytest.mark.parametrize("second", ["the same", "rt_", ""])
@pytest.mark.parametrize("form", ["one header", "two headers"])
def test_two_cookies_of_one_name(
    still: Caller, kept: str, shared: LocalServer, path: Any, second: str, form: str
) -> None:
    first = f"{COOKIE}={kept}"
    other = first if second == "the same" else f"{COOKIE}={second}"
    values = [f"{first}; {other}"] if form == "one header" else [first, other]
    before = everything(shared.database)
    for some in (values, [f"{other}; {first}"]):
        answer = still.post(path, b"", *(("Cookie", value) for value in some), OWN)
        assert_refused(answer, MALFORMED)
    assert everything(shared.database) == before


@pytest.mark.parametrize(
    "header",
    ["{} ; other=1", "other=1;{}", "a=b; {}; c=d", "refresh_token=rt_; {}", "x__Host-refresh_token=rt_; {}", "; ;{};"],
)
def test_other_cookies_do_not_get_in_the_way(api: Caller, cookie: str, header: str) -> None:
    value = header.format(f"{COOKIE}={cookie}")
    assert_tokens_by_cookie(api.post(REFRESH, b"", ("Cookie", value), OWN))


@pytest.mark.parametrize(
    "name",
    ["refresh_token", "__host-refresh_token", "__Host-Refresh_token", "__Secure-refresh_token"],
)
def test_a_cookie_of_another_name_is_ignored(still: Caller, kept: str, shared: LocalServer, name: str) -> None:
    before = everything(shared.database)
    assert_refused(still.post(REFRESH, b"", ("Cookie", f"{name}={kept}"), OWN), DEAD_TOKEN)
    assert everything(shared.database) == before


@pytest.mark.parametrize("byte", [0x0B, 0x0C, *range(0x1C, 0x20), 0x85, 0xA0], ids=hex)
@pytest.mark.parametrize("place", ["before", "after", "before the next"])
def test_a_name_with_a_byte_around_it_that_some_decoder_trims_is_another_cookie(
    still: Caller, kept: str, shared: LocalServer, byte: Any, place: str
) -> None:
    """Any page of the domain may set it: __Host- keeps no browser from that."""
    odd = bytes([byte])
    name = {"before": odd + COOKIE.encode(), "after": COOKIE.encode() + odd}.get(place, b"a=b;" + odd + COOKIE.encode())
    before = everything(shared.database)
    assert_refused(still.post(REFRESH, b"", ("Cookie", name + b"=" + kept.encode()), OWN), DEAD_TOKEN)
    assert everything(shared.database) == before


def test_only_space_and_tab_around_a_cookie_are_none_of_it(api: Caller, cookie: str) -> None:
    assert_tokens_by_cookie(api.post(REFRESH, b"", ("Cookie", f"a=b; \t{COOKIE}={cookie} \t;"), OWN))


@pytest.mark.parametrize("value", [f"{COOKIE}=", f"{COOKIE}", f"{COOKIE}= "])
def test_a_cookie_without_a_value_counts_as_missing(still: Caller, value: str) -> None:
    assert_refused(still.post(REFRESH, b"", ("Cookie", value), OWN), DEAD_TOKEN)


@pytest.mark.parametrize("value", ["x", "rt_" + "A" * 72, '"quoted"', "a=b=c", "a" * 10_000, "%00", "\x7f"])
def test_a_cookie_whose_value_is_not_ours_is_refused(still: Caller, value: str) -> None:
    assert_refused(still.by_cookie(REFRESH, value), DEAD_TOKEN)


def test_a_refusal_leaves_the_cookie_which_may_be_a_newer_logins(
    api: Caller, cookie: str, clock: Clock, database: Database
) -> None:
    successor = assert_tokens_by_cookie(api.by_cookie(REFRESH, cookie))
    clock.forward(30)
    assert_refused(api.by_cookie(REFRESH, cookie), DEAD_TOKEN)
    assert the_login(database)["revoked_reason"] == "reuse"
    assert_refused(api.by_cookie(REFRESH, successor), DEAD_TOKEN)


def test_a_token_can_move_from_the_body_to_the_cookie_and_back(api: Caller, cookie: str) -> None:
    by_body = assert_tokens(api.refresh(cookie))["refresh_token"]
    assert_tokens_by_cookie(api.by_cookie(REFRESH, by_body))

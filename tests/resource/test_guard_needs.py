"""What routes ask for beside scopes one by one: one of several scopes, and a token only if there is one."""

import asyncio
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import Guard, InsufficientScope, TokenMissing
from tests.resource.apps import ADAPTERS, Send, adapters
from tests.resource.tools import NOW, rejected, token_of

ANY_OF = adapters("read", any_of=("a", "b"))
OPTIONAL = adapters("read", optional=True)


@pytest.fixture(params=ADAPTERS)
def any_of(request: pytest.FixtureRequest, guard: Guard) -> Send:
    return ANY_OF[request.param](guard)


@pytest.fixture(params=ADAPTERS)
def optional(request: pytest.FixtureRequest, guard: Guard) -> Send:
    return OPTIONAL[request.param](guard)


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def test_any_of_one_scope_is_enough_beside_those_that_all_must_be_there(any_of: Send, key: RSAKey) -> None:
    statuses = {
        scope: any_of(bearer(token_of(key, scope=scope))).status
        for scope in ("read a", "b read", "read a b", "read", "a b", "read c", "")
    }
    assert statuses == {"read a": 200, "b read": 200, "read a b": 200, "read": 403, "a b": 403, "read c": 403, "": 403}


def test_any_of_the_challenge_names_scopes_that_are_enough(any_of: Send, key: RSAKey) -> None:
    reply = any_of(bearer(token_of(key, scope="read")))
    assert reply.headers["www-authenticate"].endswith('error="insufficient_scope", error_description="'
        'The access token does not have the required scope", scope="read a"')  # fmt: skip
    assert any_of([]).status == 401


def test_optional_no_token_is_nobody(optional: Send, key: RSAKey) -> None:
    assert optional([])[::2] == (200, {"sub": None})
    assert optional(bearer(token_of(key)))[::2] == (200, {"sub": "user-1"})


def test_optional_a_bad_token_is_still_refused(optional: Send, key: RSAKey) -> None:
    bad = {"expired": token_of(key, exp=NOW), "audience": token_of(key, aud="x"), "text": "x.y.z"}
    assert {name: optional(bearer(token)).status for name, token in bad.items()} == dict.fromkeys(bad, 401)
    assert optional(bearer(token_of(key, scope="write"))).status == 403
    assert optional([("Authorization", "Bearer a b")]).status == 400


def test_optional_another_scheme_is_no_token(optional: Send) -> None:
    assert optional([("Authorization", "Basic YTpi")]).body == {"sub": None}


def test_optional_under_a_fake_is_the_fake(optional: Send, guard: Guard) -> None:
    with guard.fake(sub="ada", scope="read"):
        assert optional([]).body == {"sub": "ada"}


def test_verify_any_of_needs_one_of_the_scopes(guard: Guard, key: RSAKey) -> None:
    token = token_of(key, scope="read b")
    assert guard.verify(token, "read", any_of=("a", "b")) is guard.verify(token, any_of="b")
    assert guard.verify(token, any_of="a b").subject == "user-1"  # several in one string, as everywhere
    with pytest.raises(InsufficientScope) as refused:
        guard.verify(token, "read", any_of=["a", "c"])
    assert refused.value.scope == ("read", "a")


def test_verify_optional_returns_none_without_a_token(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(None, "read", optional=True) is None
    assert asyncio.run(guard.averify(None, optional=True)) is None
    for call in (lambda: guard.verify(None), lambda: asyncio.run(guard.averify(None))):
        with pytest.raises(TokenMissing):
            call()  # type: ignore[no-untyped-call]
    assert rejected(lambda: guard.verify("", optional=True))
    assert guard.verify(token_of(key), optional=True).subject == "user-1"


@pytest.mark.parametrize("wrong", [{"any_of": "a  b"}, {"any_of": ['"']}, {"max_age": -1}, {"acr": "é"}], ids=repr)
def test_needs_that_cannot_stand_in_a_challenge_are_said_at_once(guard: Guard, wrong: Any) -> None:
    with pytest.raises(ValueError):
        guard.flask(**wrong)


@pytest.mark.parametrize("name", ["any_of", "acr"])
@pytest.mark.parametrize("nothing", [(), [], ""], ids=repr)
def test_an_empty_any_of_is_a_mistake_and_lets_nobody_in(guard: Guard, name: str, nothing: Any) -> None:
    for call in (guard, guard.flask, guard.starlette):
        with pytest.raises(ValueError, match=f"{name} must name at least one"):
            call("read", **{name: nothing})


def test_a_need_that_there_is_not_is_a_mistake_said_so(guard: Guard, key: RSAKey) -> None:
    for call in (guard, guard.flask, guard.django, lambda **needs: guard.verify(token_of(key), **needs)):
        with pytest.raises(TypeError, match="anyof"):
            call(anyof="admin")  # type: ignore[call-arg]


def test_metadata_names_alternatives_too(guard: Guard) -> None:
    guard.flask("read", any_of=("a", "b"))
    assert guard.metadata()["scopes_supported"] == ["a", "b", "read"]

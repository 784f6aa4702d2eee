"""What a user of Guard relies on beside the refusals: arguments, cache, fake, documents, imports."""

import asyncio
import json
import pickle
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from starlette.testclient import TestClient

from authserver import resource
from authserver.resource import (
    AccessToken,
    Guard,
    InsufficientAuthentication,
    InsufficientScope,
    KeysUnavailable,
    TokenRejected,
)
from tests.resource.apps import starlette_app
from tests.resource.tools import AUDIENCE, ISSUER, NOW, Clock, public, rejected, token_of

WRONG: dict[str, dict[str, Any]] = {
    "no algorithm": {"algorithms": []},
    "symmetric": {"algorithms": ["RS256", "HS256"]},
    "none": {"algorithms": ["none"]},
    "a string": {"algorithms": "RS256"},
    "http": {"issuer": "http://as.example"},
    "query": {"issuer": "https://as.example?x=1"},
    "fragment": {"issuer": "https://as.example#x"},
    "no host": {"issuer": "https://"},
    "a user": {"issuer": "https://me@as.example"},
    "a space": {"issuer": "https://as.example/a b"},
    "port 0": {"issuer": "https://as.example:0"},
    "port": {"issuer": "https://as.example:x"},
    "newline": {"issuer": "https://as.example/\n"},
    "no issuer": {"issuer": ""},
    "no audience": {"audience": ""},
    "leeway": {"leeway": 61},
    "negative leeway": {"leeway": -1},
    "NaN leeway": {"leeway": float("nan")},
    "both": {"keys": {"keys": []}, "jwks_uri": "https://as.example/jwks"},
    "jwks over http": {"jwks_uri": "http://as.example/jwks"},
    "realm": {"realm": 'a"b'},
    "metadata": {"resource_metadata": "javascript:alert(1)"},
    "metadata over http": {"resource_metadata": "http://api.example/.well-known/oauth-protected-resource"},
    "typ": {"typ": "dpop+jwt"},
    "no typ": {"typ": []},
    "scope claims in one string": {"scope_claims": "scope permissions"},
    "no scope claim": {"scope_claims": []},
    "ftp, though http is allowed": {"issuer": "ftp://as.example", "allow_http": True},
    "a user, though http is allowed": {"issuer": "http://me@as.example", "allow_http": True},
    "no issuers": {"issuer": []},
    "one issuer twice": {"issuer": [ISSUER, ISSUER]},
    "keys for several issuers": {"issuer": [ISSUER, "https://b.example"], "keys": {"keys": []}},
    "jwks for several issuers": {"issuer": [ISSUER, "https://b.example"], "jwks_uri": "https://as.example/jwks"},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_said_at_once(name: str) -> None:
    with pytest.raises(ValueError):
        Guard(**{"issuer": ISSUER, "audience": AUDIENCE, **WRONG[name]})


def test_what_may_be_is_said() -> None:
    with pytest.raises(ValueError, match=r"issuer must be an https URL .* allow_http=True.*: 'http://as.example'"):
        Guard("http://as.example", AUDIENCE)
    with pytest.raises(ValueError, match="issuer must be an http or https URL: 'ftp://as.example'"):
        Guard("ftp://as.example", AUDIENCE, allow_http=True)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1", "http://[::1]:8000", "https://as.example/t"]
)
def test_issuers_that_may_be(url: str) -> None:
    assert Guard(url, AUDIENCE).issuers == (url,)


@pytest.mark.parametrize("scope", ["", "a  b", 'a"b', "a\nb", "é"])
def test_a_scope_that_cannot_stand_in_a_challenge_is_said_at_once(guard: Guard, scope: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        guard.wsgi(lambda environ, start: [], scope)


def test_scopes_may_be_named_one_by_one_or_in_one_string(guard: Guard, key: RSAKey) -> None:
    token = token_of(key)
    assert guard.verify(token, "read", "write") == guard.verify(token, "write read") == guard.verify(token)
    with pytest.raises(InsufficientScope):
        guard.verify(token, "read admin")


def test_averify_says_the_same(guard: Guard, key: RSAKey) -> None:
    token = token_of(key, exp=NOW + 5)
    assert asyncio.run(guard.averify(token, "read")) == guard.verify(token)
    with pytest.raises(TokenRejected):
        asyncio.run(guard.averify(token, "admin"))


def test_keys_that_cannot_be_given_are_503(key: RSAKey, clock: Clock) -> None:
    def broken() -> dict[str, object]:
        raise OSError("database is away")

    with pytest.raises(KeysUnavailable):
        Guard(ISSUER, AUDIENCE, keys=broken, now=clock).verify(token_of(key))
    with pytest.raises(KeysUnavailable):
        Guard(ISSUER, AUDIENCE, keys={"nothing": 1}, now=clock).verify(token_of(key))


def test_a_fake_token_is_accepted_until_the_block_ends(
    guard: Guard, key: RSAKey, caplog: pytest.LogCaptureFixture
) -> None:
    with guard.fake(sub="ada", scope="read", acr="gold") as ada:
        assert guard.verify("whatever", "read") is ada and ada.subject == "ada" and ada.acr == "gold"
        assert asyncio.run(guard.averify("", max_age=5)) is ada
        with pytest.raises(InsufficientScope):
            guard.verify("", "admin")
        with guard.fake(sub="bob"):
            assert guard.verify("").subject == "bob"
        assert guard.verify("") is ada
    assert rejected(lambda: guard.verify("whatever"))
    assert "no token is verified" in caplog.text


def test_fake_takes_any_claims(guard: Guard) -> None:
    with guard.fake(sub="ada", aud=[AUDIENCE, "x"], roles=["admin"]) as ada:
        assert ada.audience == (AUDIENCE, "x") and ada.claims["roles"] == ("admin",)


def test_fake_ends_with_an_exception_too(guard: Guard) -> None:
    with pytest.raises(KeyError), guard.fake(sub="ada"):
        raise KeyError
    assert rejected(lambda: guard.verify("whatever"))


def test_fake_is_of_this_guard_only(guard: Guard, key: RSAKey, clock: Clock) -> None:
    other = Guard(ISSUER, AUDIENCE, keys=public(key), now=clock)
    with guard.fake(sub="ada"):
        assert rejected(lambda: other.verify("whatever"))


def test_fake_is_seen_by_nobody_who_runs_at_the_same_time(guard: Guard) -> None:
    """As parallel asynchronous tests do: each with a fake of its own, and one without."""

    async def test(sub: str | None) -> str | None:
        with guard.fake(sub=sub) if sub else nullcontext():
            await asyncio.sleep(0)
            try:
                return (await guard.averify("whatever")).subject
            except TokenRejected:
                return None

    async def all_at_once() -> list[str | None]:
        return await asyncio.gather(*map(test, ("ada", None, "bob", "ada", None)))

    assert asyncio.run(all_at_once()) == ["ada", None, "bob", "ada", None]
    seen = []
    with guard.fake(sub="ada"):
        thread = Thread(target=lambda: seen.append(rejected(lambda: guard.verify("whatever"))))
        thread.start()
        thread.join()
    assert seen


def test_fake_is_seen_by_what_its_context_starts(guard: Guard) -> None:
    async def subjects() -> list[str]:
        task = asyncio.create_task(guard.averify("whatever"))
        return [(await task).subject, (await asyncio.to_thread(guard.verify, "whatever")).subject]

    with guard.fake(sub="ada"):
        assert asyncio.run(subjects()) == ["ada", "ada"]


def test_fake_with_a_test_client_that_was_started_before_it(guard: Guard) -> None:
    with TestClient(starlette_app(guard)) as client, guard.fake(sub="ada", scope="read"):
        assert client.get("/async").json() == client.get("/sync").json() == {"sub": "ada"}


def test_a_refusal_survives_pickling(guard: Guard) -> None:
    for refused in (TokenRejected("expired"), InsufficientScope(("read",)), InsufficientAuthentication(5, ("gold",))):
        again = pickle.loads(pickle.dumps(refused))
        assert type(again) is type(refused) and again.challenge() == refused.challenge()


def test_importing_the_guard_loads_no_framework_and_nothing_else_of_authserver() -> None:
    program = (
        "import sys, authserver.resource;"
        "print(sorted({name.partition('.')[0] for name in sys.modules}));"
        "print([name for name in sys.modules if name.startswith('authserver.') and 'resource' not in name])"
    )
    lines = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    loaded = set(json.loads(lines[0].replace("'", '"')))
    assert not loaded & {
        "authlib",
        "sqlalchemy",
        "starlette",
        "fastapi",
        "flask",
        "django",
        "pydantic",
        "asyncio",
        "http",
        "ssl",
    }
    assert loaded >= {"joserfc"} and lines[1] == "[]"


def test_importing_the_guard_adds_little_to_joserfc() -> None:
    program = (
        "import sys, joserfc.jws, joserfc.jwk; before = set(sys.modules); import authserver.resource;"
        "print(len([name for name in set(sys.modules) - before if not name.startswith('authserver')]))"
    )
    added = int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
    assert added < 15  # logging, threading and what they need


def test_the_folder_of_the_guard_works_under_another_name(tmp_path: Path) -> None:
    shutil.copytree(Path(resource.__file__).parent, tmp_path / "our_guard")
    program = (
        "import sys, our_guard; our_guard.Guard('https://as.example', 'https://api.example');"
        "print([name for name in sys.modules if name.partition('.')[0] == 'authserver'])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_access_token_is_made_by_hand_in_users_tests() -> None:
    token = AccessToken("ada", "app", frozenset({"read"}), (AUDIENCE,), ISSUER, NOW + 9, NOW, "1")
    assert token.claims == {} and token.auth_time is None

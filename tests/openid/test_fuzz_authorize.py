"""Authorization requests that are nearly right: scripts/bench/fuzz/fuzz_authorize.py, small and in this process."""

import json

import pytest
from structlog.testing import capture_logs

from authserver.store import clients
from scripts.bench.fuzz.authorization_requests import CLIENTS, WEB, Requests, Response, fault_of
from scripts.bench.fuzz.hostile_requests import CANARY
from tests.harness.constants import ISSUER
from tests.openid.provider import Provider

REGISTERED = WEB.redirect_uris[0]
ISS = "iss=https%3A%2F%2Fas.example"


@pytest.mark.parametrize("seed", range(4))
def test_no_request_gets_a_5xx_or_leads_to_an_address_that_is_not_registered(op: Provider, seed: int) -> None:
    with op.database.begin() as connection:
        for client in CLIENTS:
            clients.add(connection, client)
    signed_in = {"client_id": WEB.id, "redirect_uri": REGISTERED, "scope": " ".join(WEB.scope)}
    browsers, requests, seen = [op.browser(), op.signed_in(**signed_in)], Requests(seed), set()
    with capture_logs() as log:
        for number in range(100):
            query = requests.query()
            got = browsers[number % 2].get(f"/authorize?{query}")
            response = Response(got.status_code, got.headers.get("location", ""), got.text)
            assert not fault_of(response, ISSUER), query
            seen.add(response.status)
    assert {200, 303, 400} <= seen
    assert CANARY not in json.dumps(log, default=str)


EVIL = "https://evil.example/"


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (Response(500, "", ""), "status 500"),
        (Response(303, EVIL, ""), f"a link, form or redirect to {EVIL}"),
        (Response(303, f"{REGISTERED}.evil.example/?code=x&{ISS}", ""), "a link, form or redirect to"),
        (Response(303, f"{REGISTERED}?code=x", ""), "a response to a client without iss"),
        (Response(303, f"{REGISTERED}?{ISS}", ""), "a response to a client with neither"),
        (Response(303, f"{REGISTERED}?code=x&error=y&{ISS}", ""), "a response to a client with neither"),
        (Response(303, f"{REGISTERED}?code=x\r\nX: y", ""), "a split header"),
        (Response(200, "", f'<meta http-equiv="refresh" content="0;url={EVIL}">'), "a link, form or redirect to"),
        (Response(200, "", '<form method="post" action="javascript:x">'), "a link, form or redirect to"),
        (Response(400, "", "<p><script>alert(1)</script>"), "unescaped markup"),
        (Response(303, f"{REGISTERED}?code=x&{ISS}", ""), ""),
        (Response(303, f"{ISSUER}/interaction/0", ""), ""),
        (Response(200, "", f'<form action="{ISSUER}/interaction/0/sign-in">'), ""),
    ],
)
def test_a_fault_is_seen(response: Response, fault: str) -> None:
    assert fault_of(response, ISSUER).startswith(fault) and bool(fault) == bool(fault_of(response, ISSUER))


def test_the_same_seed_makes_the_same_requests() -> None:
    one, same, another = (Requests(seed) for seed in (1, 1, 2))
    made = [one.query() for _ in range(20)]
    assert made == [same.query() for _ in range(20)] != [another.query() for _ in range(20)]

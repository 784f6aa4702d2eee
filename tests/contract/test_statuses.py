"""Every status that openapi.yaml names can be had, and is then as it says."""

import pytest

from tests.contract import (
    producing_account,
    producing_device,
    producing_email,
    producing_links,
    producing_logout,
    producing_pages,
)
from tests.contract.document import assert_conforms, documented
from tests.contract.producing import FORMS, REASONS, producers
from tests.web.serving import LocalServer, wait_until_ready

_OF_BROWSERS = (
    producing_device,
    producing_pages,
    producing_account,
    producing_email,
    producing_links,
    producing_logout,
)
PRODUCERS = producers()
for one in _OF_BROWSERS:
    PRODUCERS |= one.producers()


@pytest.fixture
def server(shared: LocalServer, monkeypatch: pytest.MonkeyPatch) -> LocalServer:
    monkeypatch.setattr("authserver.web.body._TIMEOUT", 0.01)
    wait_until_ready(shared.http)
    return shared


def test_every_status_is_produced_or_has_a_reason() -> None:
    assert sorted(documented()) == sorted([*PRODUCERS, *REASONS])


@pytest.mark.parametrize(("operation", "status"), PRODUCERS)
def test_each_documented_status_is_produced_as_documented(server: LocalServer, operation: str, status: str) -> None:
    assert_conforms(PRODUCERS[operation, status](server), operation, status)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_an_active_token_is_shown_as_it_says(server: LocalServer, kind: str) -> None:
    token = server.http.post("/token", data=FORMS["/token"]).json()[kind]
    answer = server.http.post("/introspect", data=FORMS["/introspect"] | {"token": token})
    assert answer.json()["active"] is True
    assert_conforms(answer, "post /introspect", "200")

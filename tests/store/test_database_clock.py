"""The database's clock is set back, and of two nodes only one has read it since.

PostgreSQL's own clock stays as it is: the database has another function of that name, found first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.testclient import TestClient

from authserver import system
from authserver.app import assemble
from authserver.settings import Settings
from authserver.store.database import Database
from tests.harness.constants import ISSUER
from tests.harness.existing import existing
from tests.harness.sample_database import as_client
from tests.web.serving import Logins, the_login

_CLOCK = """
CREATE TABLE stepped AS SELECT interval '0' AS by;
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS 'SELECT pg_catalog.clock_timestamp() + (SELECT by FROM stepped)'"""


@pytest.fixture
def url(postgres_url: str) -> str:
    return f"{postgres_url}&options=-csearch_path%3Dpublic,pg_catalog"


@pytest.fixture
def set_back(database: Database) -> Callable[..., Any]:
    with database.begin() as connection:
        connection.exec_driver_sql(_CLOCK)

    def set_back(interval: Any) -> None:
        with database.begin() as connection:
            connection.exec_driver_sql(f"UPDATE stepped SET by = by - interval '{interval}'")

    return set_back


@pytest.fixture
def nodes(settings: Settings, set_back: Any) -> Iterator[Any]:
    """Two, each with the function that makes it read the clock; by itself it never does."""
    with ExitStack() as servers:

        def started() -> Any:
            server = assemble(settings, enable=())
            http = servers.enter_context(TestClient(server.app, ISSUER, raise_server_exceptions=False))
            return http, lambda: existing(http.portal).call(server.tasks.follow_clock)

        yield started(), started()


@pytest.fixture
def rotated(nodes: Any, database: Database, settings: Settings, set_back: Any) -> Callable[..., Any]:
    """`rotated("1 hour")`: a token that the first node replaced after that step back, and the second node, which has
    not noticed the step."""
    logins = Logins(database, settings, system.now)
    login = logins.plant(1, client_id="web", generation=0)
    old = logins.token(login, 0)

    def rotated(interval: Any) -> Any:
        (first, look), (second, _) = nodes
        set_back(interval)
        look()
        assert refreshed(first, old).status_code == 200
        return old, second

    return rotated


def refreshed(http: TestClient, text: Any) -> Any:
    return http.post("/token", data=as_client("web") | {"grant_type": "refresh_token", "refresh_token": text})


@pytest.mark.parametrize("interval", ["31 seconds", "1 hour", "6 days", "8 days", "400 days"])
def test_a_retry_at_a_node_that_has_not_noticed_the_step_is_no_reuse_rfc9700_4_14_2(
    rotated: Any, database: Database, interval: str
) -> None:
    old, unaware = rotated(interval)
    assert refreshed(unaware, old).status_code == 200
    assert the_login(database)["revoked_at"] is None


def test_a_token_that_may_be_retried_is_active_at_a_node_that_has_not_noticed_the_step(rotated: Any) -> None:
    old, unaware = rotated("1 hour")
    assert introspected(unaware, old)["active"]


def test_the_newest_token_is_accepted_at_a_node_by_whose_clock_it_is_over(rotated: Any, nodes: Any) -> None:
    old, unaware = rotated("8 days")
    newest = refreshed(nodes[0][0], old).json()["refresh_token"]
    assert refreshed(unaware, newest).status_code == 200


@pytest.fixture
def fresh(nodes: Any, set_back: Callable[[str], None]) -> tuple[str, TestClient]:
    """An access token that the first node issued after a step back, and the second node, by whose clock it is over."""
    (first, look), (second, _) = nodes
    set_back("1 hour")
    look()
    form = as_client("web") | {"grant_type": "client_credentials"}
    return first.post("/token", data=form).json()["access_token"], second


def test_an_access_token_is_active_at_a_node_by_whose_clock_it_is_over(fresh: Any) -> None:
    token, unaware = fresh
    assert introspected(unaware, token)["active"]


def test_an_access_token_is_revoked_at_a_node_by_whose_clock_it_is_over_rfc7009_2_1(fresh: Any, nodes: Any) -> None:
    token, unaware = fresh
    assert unaware.post("/revoke", data=as_client("web") | {"token": token}).status_code == 200
    assert introspected(nodes[0][0], token) == {"active": False}


def introspected(http: TestClient, token: str) -> Any:
    return http.post("/introspect", data=as_client("web") | {"token": token}).json()


def test_what_is_reuse_with_the_clock_read_once_more_is_reuse(rotated: Any, database: Database, nodes: Any) -> None:
    old, unaware = rotated("1 hour")
    newest = refreshed(unaware, old).json()["refresh_token"]
    assert refreshed(unaware, newest).status_code == 200
    assert refreshed(unaware, old).json()["error"] == "invalid_grant"
    assert the_login(database)["revoked_reason"] == "reuse"

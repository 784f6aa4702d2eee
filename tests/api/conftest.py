"""The tests of the JSON interface and of introspection use what the tests of web/ use."""

import pytest
from starlette.testclient import TestClient

from tests.api.calling import Caller, assert_tokens, assert_tokens_by_cookie
from tests.web.conftest import brisk, database, later, refresh, rotated, settings, shared, template
from tests.web.serving import LocalServer

__all__ = ["brisk", "database", "later", "refresh", "rotated", "settings", "shared", "template"]


@pytest.fixture
def api(http: TestClient) -> Caller:
    """On a server and a database of the test's own."""
    return Caller(http)


@pytest.fixture
def still(shared: LocalServer) -> Caller:
    """On the module's server, for calls that change nothing."""
    return Caller(shared.http)


@pytest.fixture
def refresh_token(api: Caller) -> str:
    """ada's first of a login by body."""
    return str(assert_tokens(api.login())["refresh_token"])


@pytest.fixture
def cookie(api: Caller) -> str:
    """ada's first refresh token of a login by cookie."""
    return assert_tokens_by_cookie(api.login(cookie=True))


@pytest.fixture(scope="module")
def kept(shared: LocalServer) -> str:
    """The refresh token of a login by cookie on the module's server, for calls that are refused."""
    return assert_tokens_by_cookie(Caller(shared.http).login(cookie=True))

"""Routes that are found at once answer like those that Starlette's router finds."""

import asyncio
from typing import Any

import pytest
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from authserver.web.direct_routes import DirectRoutes


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(self.name)


ROUTES = [
    Route("/token", Named("token"), methods=["POST"]),
    Route("/token", Named("preflight"), methods=["OPTIONS"]),
    Route("/token", Named("later"), methods=["POST"]),
    Route("/interaction/{interaction}", Named("interaction"), methods=["GET"]),
    Mount("/static", Named("static")),
]


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("POST", "/token", "token"),
        ("OPTIONS", "/token", "application"),
        ("GET", "/token", "application"),
        ("POST", "/token/", "application"),
        ("GET", "/interaction/{interaction}", "application"),
        ("GET", "/interaction/1", "application"),
        ("GET", "/static", "application"),
    ],
)
def test_only_an_address_without_parameters_is_found_and_the_first_of_two(method: str, path: str, found: str) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    app: Any = DirectRoutes(Named("application"), ROUTES)
    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(app(scope, None, send))
    assert sent == [found]
    assert ("route" in scope) == (found != "application")


def test_another_method_than_those_of_an_address_is_405(http: TestClient) -> None:
    refused = http.request("PUT", "/token")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")

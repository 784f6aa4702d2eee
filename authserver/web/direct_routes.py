"""Finds the routes that every client uses at once, before Starlette's router tries one pattern after the other."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

_METHODS = frozenset({"GET", "POST"})
"""OPTIONS may raise an HTTPException, which only the application handles."""


class DirectRoutes:
    """A pure ASGI middleware. Requests for another address, or with another method, are passed on to the
    application."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes: dict[tuple[str, str], Route] = {}
        for route in routes:
            if isinstance(route, Route) and not route.param_convertors:
                for method in _METHODS & (route.methods or set()):
                    self._routes.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope.get("method", ""), scope.get("path", "")))
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"], scope["path_params"] = route, {}
        await route.app(scope, receive, send)

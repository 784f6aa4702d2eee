"""The routes of the management address: /metrics and the health checks, for the operator alone."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import health
from .context import AppContext
from .middleware import ErrorBoundary
from .not_here import http_error
from .request_id import RequestId
from .routes import ASGIApp

Render = Callable[[str], tuple[bytes, str]]
"""Returns the metrics and their content type, in a format that the header Accept allows."""


def management(context: AppContext, render: Render) -> ASGIApp:
    """Return the application. Its paths are the same whatever the issuer's path is."""

    async def metrics(request: Request) -> Response:
        text, content_type = render(request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    ready = health.ready(context.database, context.keyring, context.steady, context.pipeline)
    app = Starlette(
        routes=[Route("/metrics", metrics), Route("/health/live", health.live), Route("/health/ready", ready)],
        middleware=[
            Middleware(RequestId, new_id=context.new_id, trusted=context.trusted_proxies),
            Middleware(ErrorBoundary, malformed=context.malformed),
        ],
        exception_handlers={404: http_error, 405: http_error},
    )
    app.router.redirect_slashes = False
    return app

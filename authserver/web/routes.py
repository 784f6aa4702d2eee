"""The table of routes. Paths are below the issuer's path, except the metadata's, whose well-known path precedes it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from ..domain.forwarded import TrustedProxies
from ..domain.languages import LANGUAGES
from ..oauth import device, metadata
from ..oauth.device.authorization import DeviceAuthorization
from ..oauth.introspection import Introspection
from ..oauth.registry import GrantRegistry
from ..oauth.revocation import Revocation
from . import documents, health, userinfo
from .api import Api
from .browser import routes as browser_routes
from .browser.cookies import BrowserCookies
from .browser.files import PageFiles
from .browser.pages import Pages
from .context import AppContext
from .cookies import RefreshTokenCookie
from .cors import CrossOrigin
from .direct_routes import DirectRoutes
from .documents import Document
from .form import FormEndpoint
from .landing_page import LandingPage
from .malformed import COUNTER
from .middleware import ErrorBoundary
from .network import CallerAddress
from .not_here import NotHere
from .protected import protected
from .request_id import RequestId
from .userinfo import UserInfoEndpoint

__all__ = ["ASGIApp", "application"]

Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]
_METADATA = "/.well-known/oauth-authorization-server"


def application(context: AppContext, lifespan: Lifespan) -> ASGIApp:
    """Return the complete ASGI application."""
    cookies, base = BrowserCookies(context.issuer), urlsplit(context.issuer).path
    pages = Pages(context.issuer, cookies.set, context.templates)
    every_route = routes(context, pages, cookies)
    not_here = NotHere(pages, base, browser_routes.routes(context, base, pages, cookies))
    starlette = Starlette(
        routes=every_route,
        lifespan=_with_state(lifespan, {COUNTER: context.malformed}),
        exception_handlers={HTTPException: not_here},
    )
    # A redirect of /token/ would send a password again, to any address that the Host header contains. NotHere redirects
    # people who ask for a page.
    starlette.router.redirect_slashes = False
    app: ASGIApp = DirectRoutes(starlette, every_route)
    for middleware in reversed(_middleware(context, pages)):  # around Starlette, whose own layers take 3 us
        app = middleware(app)
    return app


def _with_state(lifespan: Lifespan, state: dict[str, Any]) -> Any:
    """Wrap the lifespan so that it also yields `state`, which uvicorn shares with the connections."""

    @asynccontextmanager
    async def with_state(app: Any) -> AsyncIterator[dict[str, Any]]:
        async with lifespan(app):
            yield state

    return with_state


def _middleware(context: AppContext, pages: Pages) -> list[Callable[[ASGIApp], ASGIApp]]:
    """Return the pure ASGI middleware, the outermost first."""
    trusted = context.trusted_proxies
    request_id = partial(RequestId, new_id=context.new_id, trusted=trusted)
    address = [] if trusted == TrustedProxies() else [partial(CallerAddress, trusted=trusted)]
    boundary = partial(ErrorBoundary, malformed=context.malformed, pages=pages, base=urlsplit(context.issuer).path)
    return [request_id, *address, *context.observers, boundary]


def routes(context: AppContext, pages: Pages, cookies: BrowserCookies) -> list[Route | Mount]:
    keyring, base = context.keyring, urlsplit(context.issuer).path
    cross_origin = CrossOrigin(context.pipeline.clients, context.web_origins)
    form = (context.pipeline, context.now, context.malformed)
    grants = GrantRegistry()
    token = FormEndpoint(*form, grants, required="grant_type", cross_origin=cross_origin)
    return [
        Route(base + "/token", token, methods=["POST"]),
        Route(base + device.AUTHORIZATION_PATH, FormEndpoint(*form, DeviceAuthorization), methods=["POST"]),
        Route(base + "/revoke", FormEndpoint(*form, Revocation, cross_origin=cross_origin), methods=["POST"]),
        *(Route(base + path, cross_origin, methods=["OPTIONS"]) for path in ("/token", "/revoke")),
        Route(base + "/introspect", FormEndpoint(*form, Introspection), methods=["POST"]),
        *_userinfo(context, base),
        *_documents(context, base),
        *browser_routes.routes(context, base, pages, cookies),
        *(_api(context, base, grants) if context.first_party_api else []),
        Route(base + "/health/live", health.live),
        Route(base + "/health/ready", health.ready(context.database, keyring, context.steady, context.pipeline)),
        Route(
            base + "/",
            LandingPage(pages, context.issuer.removesuffix(base) + _METADATA + base),
            methods=["GET"],
        ),
        Mount(base + "/static", PageFiles(context.templates.folder)),
    ]


def _documents(context: AppContext, base: str) -> list[Route]:
    def document(path: str, current: Callable[[], bytes]) -> Route:
        return Route(path, Document(current, context.jwks_max_age), methods=documents.METHODS)

    sign_up = context.pipeline.services.sign_up
    oauth = json.dumps(metadata.server_metadata(context.issuer, LANGUAGES, sign_up=sign_up)).encode()
    openid = json.dumps(metadata.openid_configuration(context.issuer, LANGUAGES, sign_up=sign_up)).encode()
    return [
        document(base + "/.well-known/jwks.json", lambda: context.keyring.jwks_document),
        # RFC 8414 s3.1: inserted between the host component and the path component of the issuer.
        document(_METADATA + base, lambda: oauth),
        # OpenID Connect Discovery s4: concatenating the string /.well-known/openid-configuration to the Issuer.
        document(base + "/.well-known/openid-configuration", lambda: openid),
    ]


def _userinfo(context: AppContext, base: str) -> list[Route]:
    methods = ", ".join(userinfo.METHODS)
    cross_origin = CrossOrigin(context.pipeline.clients, context.web_origins, methods)
    endpoint = UserInfoEndpoint(context.pipeline, context.now, context.malformed, cross_origin)
    return [
        Route(base + "/userinfo", endpoint, methods=userinfo.METHODS),
        Route(base + "/userinfo", cross_origin, methods=["OPTIONS"]),
    ]


def _api(context: AppContext, base: str, grants: GrantRegistry) -> list[Route | Mount]:
    api = Api(context.pipeline, grants, context.now, RefreshTokenCookie(context.issuer), context.malformed)
    return [
        Route(base + "/api/login", api.endpoint(api.login), methods=["POST"]),
        Route(base + "/api/refresh-token", api.endpoint(api.refresh_token), methods=["POST"]),
        Route(base + "/api/logout", api.endpoint(api.logout), methods=["POST"]),
        Route(base + "/api/protected", protected(context.issuer, context.keyring, context.now)),
    ]

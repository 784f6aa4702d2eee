"""The same small API in every framework, protected, and how to send it a request."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import django
import flask
import httpx2
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.test import AsyncRequestFactory, RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from fastapi import Depends, FastAPI, WebSocket
from fastapi.testclient import TestClient as FastAPIClient
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from werkzeug.test import Client as WerkzeugClient

from authserver.resource import AccessToken, Guard

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="tests", USE_TZ=True)
    django.setup()


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


Send = Callable[[list[tuple[str, str]]], Reply]


def of_httpx(response: Any) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.json()
    )


def of_werkzeug(response: Any) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers}, json.loads(response.data)
    )


def of_django(response: Any) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.items()}, json.loads(response.content)
    )


def fastapi_app(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/sync")
    def sync(token: Annotated[AccessToken, Depends(guard("read"))]) -> dict[str, str]:
        return {"sub": token.subject}

    @app.get("/async")
    async def asynchronous(token: AccessToken = Depends(guard("read"))) -> dict[str, str]:  # noqa: B008
        return {"sub": token.subject}

    @app.get("/whole")
    def whole(token: Annotated[AccessToken, Depends(guard("read"))]) -> AccessToken:
        return token

    @app.get("/strong")
    def strong(token: Annotated[AccessToken, Depends(guard("read", max_age=60))]) -> str:
        return token.subject

    @app.websocket("/socket")
    async def socket(connection: WebSocket, token: Annotated[AccessToken, Depends(guard("read"))]) -> None:
        await connection.accept()
        await connection.send_json({"sub": token.subject})
        await connection.close()

    return app


def starlette_app(guard: Guard) -> Starlette:
    @guard.starlette("read")
    def sync(request: Request) -> JSONResponse:
        return JSONResponse({"sub": request.state.token.subject})

    @guard.starlette("read")
    async def asynchronous(request: Request) -> JSONResponse:
        return JSONResponse({"sub": request.state.token.subject})

    class Endpoint(HTTPEndpoint):
        @guard.starlette("read")
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse({"sub": request.state.token.subject})

    @guard.starlette("read")
    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_json({"sub": connection.state.token.subject})
        await connection.close()

    routes = [Route("/sync", sync), Route("/async", asynchronous), Route("/class", Endpoint)]
    return Starlette(routes=[*routes, WebSocketRoute("/socket", socket)])


def flask_app(guard: Guard) -> flask.Flask:
    app = flask.Flask("notes")

    @app.get("/sync")
    @guard.flask("read")
    def sync() -> dict[str, str]:
        return {"sub": flask.g.token.subject}

    return app


def inner_asgi() -> Starlette:
    async def whoami(request: Request) -> JSONResponse:
        return JSONResponse({"sub": request.state.token.subject})

    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_json({"sub": connection.state.token.subject})
        await connection.close()

    return Starlette(routes=[Route("/sync", whoami), WebSocketRoute("/socket", socket)])


def inner_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"sub": environ["authserver.token"].subject}).encode()]


def django_sync(guard: Guard) -> Send:
    @guard.django("read")
    def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.token.subject})  # type: ignore[attr-defined]

    return lambda fields: of_django(view(RequestFactory().get("/", headers=joined(fields))))


def django_class(guard: Guard) -> Send:
    @method_decorator(guard.django("read"), name="dispatch")
    class Notes(View):
        def get(self, request: HttpRequest) -> JsonResponse:
            return JsonResponse({"sub": request.token.subject})  # type: ignore[attr-defined]

    return lambda fields: of_django(Notes.as_view()(RequestFactory().get("/", headers=joined(fields))))


def django_async(guard: Guard) -> Send:
    @guard.django("read")
    async def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"sub": request.token.subject})  # type: ignore[attr-defined]

    def send(fields: list[tuple[str, str]]) -> Reply:
        return of_django(asyncio.run(view(AsyncRequestFactory().get("/", headers=joined(fields)))))

    return send


def joined(fields: list[tuple[str, str]]) -> dict[str, str]:
    """As WSGI servers hand on a header that is repeated."""
    return {"Authorization": ",".join(value for _, value in fields)} if fields else {}


def with_asgi(app: Any, path: str, client: Any = TestClient) -> Send:
    return lambda fields: of_httpx(client(app).get(path, headers=httpx2.Headers(fields)))


def with_wsgi(app: Any) -> Send:
    return lambda fields: of_werkzeug(WerkzeugClient(app).get("/sync", headers=fields))


ADAPTERS: dict[str, Callable[[Guard], Send]] = {
    "FastAPI sync": lambda guard: with_asgi(fastapi_app(guard), "/sync", FastAPIClient),
    "FastAPI async": lambda guard: with_asgi(fastapi_app(guard), "/async", FastAPIClient),
    "Starlette sync": lambda guard: with_asgi(starlette_app(guard), "/sync"),
    "Starlette async": lambda guard: with_asgi(starlette_app(guard), "/async"),
    "Starlette class": lambda guard: with_asgi(starlette_app(guard), "/class"),
    "ASGI": lambda guard: with_asgi(guard.asgi(inner_asgi(), "read"), "/sync"),
    "Flask": lambda guard: with_wsgi(flask_app(guard)),
    "WSGI": lambda guard: with_wsgi(guard.wsgi(inner_wsgi, "read")),
    "Django": django_sync,
    "Django class": django_class,
    "Django async": django_async,
}
SOCKETS: dict[str, Callable[[Guard], Any]] = {
    "FastAPI": fastapi_app,
    "Starlette": starlette_app,
    "ASGI": lambda guard: guard.asgi(inner_asgi(), "read"),
}

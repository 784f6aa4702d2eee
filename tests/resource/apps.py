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
    framework = {"UNAUTHENTICATED_USER": None}  # Django's own would need a database
    settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="tests", USE_TZ=True, REST_FRAMEWORK=framework)
    django.setup()

from rest_framework.response import Response as Response
from rest_framework.views import APIView as APIView


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


def named(token: AccessToken | None) -> dict[str, str | None]:
    return {"sub": None if token is None else token.subject}


def fastapi_app(guard: Guard, *scope: str, **needs: Any) -> FastAPI:
    app = FastAPI(responses=guard.responses)
    scope = scope or ("read",)

    @app.get("/sync")
    def sync(token: Annotated[AccessToken | None, Depends(guard(*scope, **needs))]) -> dict[str, str | None]:
        return named(token)

    @app.get("/async")
    async def asynchronous(
        token: AccessToken | None = Depends(guard(*scope, **needs)),  # noqa: B008
    ) -> dict[str, str | None]:
        return named(token)

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


def starlette_app(guard: Guard, *scope: str, **needs: Any) -> Starlette:
    scope = scope or ("read",)

    @guard.starlette(*scope, **needs)
    def sync(request: Request) -> JSONResponse:
        return JSONResponse(named(request.state.token))

    @guard.starlette(*scope, **needs)
    async def asynchronous(request: Request) -> JSONResponse:
        return JSONResponse(named(request.state.token))

    class Endpoint(HTTPEndpoint):
        @guard.starlette(*scope, **needs)
        async def get(self, request: Request) -> JSONResponse:
            return JSONResponse(named(request.state.token))

    @guard.starlette(*scope, **needs)
    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_json(named(connection.state.token))
        await connection.close()

    routes = [Route("/sync", sync), Route("/async", asynchronous), Route("/class", Endpoint)]
    return Starlette(routes=[*routes, WebSocketRoute("/socket", socket)])


def flask_app(guard: Guard, *scope: str, **needs: Any) -> flask.Flask:
    app = flask.Flask("notes")

    @app.get("/sync")
    @guard.flask(*scope or ("read",), **needs)
    def sync() -> dict[str, str | None]:
        return named(flask.g.token)

    return app


def inner_asgi() -> Starlette:
    async def whoami(request: Request) -> JSONResponse:
        return JSONResponse(named(request.state.token))

    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_json(named(connection.state.token))
        await connection.close()

    return Starlette(routes=[Route("/sync", whoami), WebSocketRoute("/socket", socket)])


def inner_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(named(environ["authserver.token"])).encode()]


def django_sync(guard: Guard, *scope: str, **needs: Any) -> Send:
    @guard.django(*scope, **needs)
    def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse(named(request.token))

    return lambda fields: of_django(view(RequestFactory().get("/", headers=joined(fields))))


def django_class(guard: Guard, *scope: str, **needs: Any) -> Send:
    @method_decorator(guard.django(*scope, **needs), name="dispatch")
    class Notes(View):  # type: ignore[misc]
        def get(self, request: HttpRequest) -> JsonResponse:
            return JsonResponse(named(request.token))

    return lambda fields: of_django(Notes.as_view()(RequestFactory().get("/", headers=joined(fields))))


def django_async(guard: Guard, *scope: str, **needs: Any) -> Send:
    @guard.django(*scope, **needs)
    async def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse(named(request.token))

    def send(fields: list[tuple[str, str]]) -> Reply:
        return of_django(asyncio.run(view(AsyncRequestFactory().get("/", headers=joined(fields)))))

    return send


def django_rest(guard: Guard, *scope: str, **needs: Any) -> Send:
    class Notes(APIView):  # type: ignore[misc]
        authentication_classes = (guard.drf_authentication(),)
        permission_classes = (guard.drf_permission(*scope, **needs),)

        def get(self, request: Any) -> Response:
            return Response(named(request.auth))

    view = Notes.as_view()
    return lambda fields: of_django(view(RequestFactory().get("/", headers=joined(fields))).render())


def joined(fields: list[tuple[str, str]]) -> dict[str, str]:
    """As WSGI servers hand on a header that is repeated."""
    return {"Authorization": ",".join(value for _, value in fields)} if fields else {}


def with_asgi(app: Any, path: str, client: Any = TestClient) -> Send:
    return lambda fields: of_httpx(client(app).get(path, headers=httpx2.Headers(fields)))


def with_wsgi(app: Any) -> Send:
    return lambda fields: of_werkzeug(WerkzeugClient(app).get("/sync", headers=fields))


def adapters(*scope: str, **needs: Any) -> dict[str, Callable[[Guard], Send]]:
    """Each adapter's small API, whose route asks for this."""
    ask: Any = {"FastAPI": fastapi_app, "Starlette": starlette_app, "Flask": flask_app}
    made = {name: lambda guard, make=make: make(guard, *scope, **needs) for name, make in ask.items()}
    return {
        "FastAPI sync": lambda guard: with_asgi(made["FastAPI"](guard), "/sync", FastAPIClient),
        "FastAPI async": lambda guard: with_asgi(made["FastAPI"](guard), "/async", FastAPIClient),
        "Starlette sync": lambda guard: with_asgi(made["Starlette"](guard), "/sync"),
        "Starlette async": lambda guard: with_asgi(made["Starlette"](guard), "/async"),
        "Starlette class": lambda guard: with_asgi(made["Starlette"](guard), "/class"),
        "ASGI": lambda guard: with_asgi(guard.asgi(inner_asgi(), *scope, **needs), "/sync"),
        "Flask": lambda guard: with_wsgi(made["Flask"](guard)),
        "WSGI": lambda guard: with_wsgi(guard.wsgi(inner_wsgi, *scope, **needs)),
        "Django": lambda guard: django_sync(guard, *scope, **needs),
        "Django class": lambda guard: django_class(guard, *scope, **needs),
        "Django async": lambda guard: django_async(guard, *scope, **needs),
        "Django REST framework": lambda guard: django_rest(guard, *scope, **needs),
    }


ADAPTERS = adapters("read")
SOCKETS: dict[str, Callable[[Guard], Any]] = {
    "FastAPI": fastapi_app,
    "Starlette": starlette_app,
    "ASGI": lambda guard: guard.asgi(inner_asgi(), "read"),
}

"""What only FastAPI has: documents, handlers, tokens as answers."""

from typing import Annotated, Any

from fastapi import Depends
from fastapi.exceptions import HTTPException
from fastapi.testclient import TestClient as FastAPIClient
from joserfc.jwk import RSAKey
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount

from authserver.resource import AccessToken, Guard, TokenRejected
from tests.resource.apps import fastapi_app, with_asgi
from tests.resource.tools import AUDIENCE, ISSUER, NOW, Clock, public, token_of


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def test_fastapi_openapi_documents_the_token_its_scopes_and_the_refusals(guard: Guard) -> None:
    document = FastAPIClient(fastapi_app(guard)).get("/openapi.json").json()
    operation = document["paths"]["/sync"]["get"]
    assert operation["security"] == [{"api.example-by-as.example": ["read"]}]
    assert "parameters" not in operation
    assert document["components"]["securitySchemes"]["api.example-by-as.example"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token for https://api.example by https://as.example",
    }
    for status in ("401", "403"):
        refusal = operation["responses"][status]
        assert refusal["headers"]["WWW-Authenticate"]["schema"] == {"type": "string"}
        assert refusal["description"].startswith("The")
        required = refusal["content"]["application/json"]["schema"]["required"]
        assert required == ["error", "error_description"]
    validate(document)


def test_fastapi_openapi_tells_two_guards_apart(guard: Guard, key: RSAKey, clock: Clock) -> None:
    other_audience = Guard(ISSUER, "https://other.example", keys=public(key), now=clock)
    other_issuer = Guard("https://as.example/2", AUDIENCE, keys=public(key), now=clock)
    app = fastapi_app(guard)
    for number, other in enumerate((other_audience, other_issuer)):

        @app.get(f"/{number}")
        def notes(token: Annotated[AccessToken, Depends(other("read"))]) -> str:
            return token.subject

    document = FastAPIClient(app).get("/openapi.json").json()
    named = [document["paths"][path]["get"]["security"][0].keys() for path in ("/sync", "/0", "/1")]
    assert len(set(map(tuple, named))) == 3 and len(document["components"]["securitySchemes"]) == 3
    validate(document)


def test_fastapi_the_same_needs_are_the_same_dependency(guard: Guard, key: RSAKey, clock: Clock) -> None:
    assert guard("read") is guard("read") and guard("read", "write") is guard("read write")
    others = [guard("write"), guard(), guard("read", optional=True), guard("read", max_age=5), guard(any_of="read")]
    others.append(Guard(ISSUER, AUDIENCE, keys=public(key), now=clock)("read"))
    assert len({guard("read"), *others}) == 7


def test_fastapi_a_dependency_can_be_overridden(guard: Guard, key: RSAKey) -> None:
    app = fastapi_app(guard)
    app.dependency_overrides[guard("read")] = lambda: guard.verify(token_of(key, sub="ada"))
    assert with_asgi(app, "/sync")([]).body == {"sub": "ada"}
    assert with_asgi(app, "/strong")([]).status == 401


def test_fastapi_a_route_may_return_its_token(guard: Guard, key: RSAKey) -> None:
    reply = with_asgi(fastapi_app(guard), "/whole")(bearer(token_of(key, tenant={"id": [1]})))
    assert reply.body["subject"] == "user-1" and reply.body["claims"]["tenant"] == {"id": [1]}


def test_fastapi_a_sign_in_older_than_max_age_must_be_repeated(guard: Guard, key: RSAKey) -> None:
    reply = with_asgi(fastapi_app(guard), "/strong")(bearer(token_of(key, auth_time=NOW - 61)))
    assert reply.status == 401 and 'max_age="60"' in reply.headers["www-authenticate"]


def test_fastapi_a_handler_of_one_s_own_is_honoured(guard: Guard) -> None:
    app = fastapi_app(guard)

    @app.exception_handler(TokenRejected)
    async def own(request: Request, rejected: TokenRejected) -> JSONResponse:
        return JSONResponse({"mine": rejected.error}, rejected.status)

    assert with_asgi(app, "/sync")([]).body == {"mine": "unauthorized"}


def test_fastapi_a_handler_for_http_exceptions_is_not_in_the_way(guard: Guard) -> None:
    app = fastapi_app(guard)

    @app.exception_handler(HTTPException)
    async def own(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"mine": error.detail}, error.status_code)

    assert with_asgi(app, "/sync")([]).body["error"] == "unauthorized"
    assert with_asgi(app, "/nowhere")([]).status == 404


def test_fastapi_a_mounted_application_is_guarded_too(guard: Guard, key: RSAKey) -> None:
    outer = Starlette(routes=[Mount("/api", fastapi_app(guard))])
    assert with_asgi(outer, "/api/sync")([]).body["error"] == "unauthorized"
    assert with_asgi(outer, "/api/sync")(bearer(token_of(key))).status == 200


def test_fastapi_where_starlette_keeps_its_handlers_elsewhere(guard: Guard) -> None:
    app = fastapi_app(guard)

    class Elsewhere:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            handlers = scope.pop("starlette.exception_handlers", None)
            try:
                await self.app(scope, receive, send)
            except HTTPException as error:
                assert handlers is not None
                await JSONResponse({"detail": error.detail}, error.status_code, error.headers)(scope, receive, send)

    app.router.middleware_stack = Elsewhere(app.router.middleware_stack)
    reply = with_asgi(app, "/sync")([])
    assert reply.status == 401 and reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.body == {"detail": "An access token is required"}


def test_two_guards_in_one_fastapi_application_each_answer_for_their_own_routes(
    guard: Guard, key: RSAKey, clock: Clock
) -> None:
    app, other = fastapi_app(guard), Guard(ISSUER, "https://other.example", keys=public(key), now=clock)

    @app.get("/other")
    def second(token: Annotated[AccessToken, Depends(other("read"))]) -> str:
        return token.subject

    assert (
        'realm="https://other.example"' in with_asgi(app, "/other")(bearer(token_of(key))).headers["www-authenticate"]
    )
    assert f'realm="{AUDIENCE}"' in with_asgi(app, "/sync")([]).headers["www-authenticate"]

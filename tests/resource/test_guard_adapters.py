"""Each adapter with its real framework, all by the same list of requests."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpRequest, JsonResponse
from django.test import RequestFactory
from joserfc.jwk import RSAKey
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import IsAuthenticated
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from werkzeug.test import Client as WerkzeugClient

from authserver.resource import Guard
from tests.resource.apps import ADAPTERS, SOCKETS, APIView, Response, Send, flask_app, inner_asgi, inner_wsgi
from tests.resource.tools import AUDIENCE, ISSUER, NOW, Clock, token_of


@pytest.fixture(params=ADAPTERS)
def send(request: pytest.FixtureRequest, guard: Guard) -> Send:
    return ADAPTERS[request.param](guard)


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def test_a_good_token_comes_in_with_its_claims(send: Send, key: RSAKey) -> None:
    reply = send(bearer(token_of(key)))
    assert (reply.status, reply.body) == (200, {"sub": "user-1"})
    assert send([("authorization", f"bearer {token_of(key)}")]).status == 200


def test_no_token_is_401_with_a_bare_challenge(send: Send) -> None:
    reply = send([])
    assert reply.status == 401 and reply.headers["www-authenticate"] == f'Bearer realm="{AUDIENCE}"'
    assert reply.body == {"error": "unauthorized", "error_description": "An access token is required"}


def test_rfc6750_s3_1_invalid_token_is_401(send: Send, key: RSAKey) -> None:
    spoils: list[dict[str, Any]] = [{"aud": "x"}, {"sub": 1}, {"cnf": {}}]
    for spoil in spoils:
        reply = send(bearer(token_of(key, **spoil)))
        assert reply.status == 401 and 'error="invalid_token"' in reply.headers["www-authenticate"]
        assert reply.body == {"error": "invalid_token", "error_description": "The access token is invalid"}
        assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_refusal_is_kept_by_a_cache(name: str, guard: Guard) -> None:
    kept_apart = name == "Django REST framework"  # its handler of exceptions sends the challenge and nothing else
    assert kept_apart or ADAPTERS[name](guard)([]).headers["cache-control"] == "no-store"


def test_an_expired_token_is_told_so(send: Send, key: RSAKey) -> None:
    reply = send(bearer(token_of(key, exp=NOW)))
    text = "The access token has expired"
    assert reply.status == 401 and reply.body == {"error": "invalid_token", "error_description": text}
    assert f'error="invalid_token", error_description="{text}"' in reply.headers["www-authenticate"]


def test_rfc6750_s3_1_lacking_scope_is_403(send: Send, key: RSAKey) -> None:
    reply = send(bearer(token_of(key, scope="write")))
    assert reply.status == 403 and reply.body["error"] == "insufficient_scope"
    assert 'error="insufficient_scope"' in reply.headers["www-authenticate"]
    assert reply.headers["www-authenticate"].endswith('scope="read"')


@pytest.mark.parametrize("more", ["Bearer a b", "Bearer a,Bearer b", "Bearer"])
def test_malformed_is_400(send: Send, more: str) -> None:
    reply = send([("Authorization", more)])
    assert reply.status == 400 and reply.body["error"] == "invalid_request"


def test_two_headers_are_400(send: Send, key: RSAKey) -> None:
    reply = send(bearer(token_of(key)) * 2)
    assert reply.status == 400 and reply.body["error"] == "invalid_request"


@pytest.mark.parametrize("name", ADAPTERS)
def test_no_keys_yet_is_503(name: str, key: RSAKey, clock: Clock) -> None:
    def down(url: str, headers: object) -> Any:
        raise OSError

    reply = ADAPTERS[name](Guard(ISSUER, AUDIENCE, now=clock, fetch=down))(bearer(token_of(key)))
    assert reply.status == 503 and reply.headers["retry-after"] and "www-authenticate" not in reply.headers


def test_fake_needs_no_header_and_checks_scopes(send: Send, guard: Guard) -> None:
    with guard.fake(sub="ada", scope="read"):
        assert send([]).body == {"sub": "ada"}
    with guard.fake(sub="ada", scope="write"):
        assert send([]).status == 403
    assert send([]).status == 401


@pytest.mark.parametrize("name", ["FastAPI", "Starlette", "ASGI", "Flask", "WSGI"])
def test_a_token_in_the_query_or_a_form_counts_for_nothing(name: str, guard: Guard, key: RSAKey) -> None:
    apps: dict[str, Any] = {**SOCKETS, "Flask": flask_app, "WSGI": lambda guard: guard.wsgi(inner_wsgi, "read")}
    client: Any = WerkzeugClient if name in ("Flask", "WSGI") else TestClient
    response = client(apps[name](guard)).get(f"/sync?access_token={token_of(key)}")
    assert response.status_code == 401


@pytest.mark.parametrize("name", SOCKETS)
def test_a_websocket_is_guarded_too(name: str, guard: Guard, key: RSAKey) -> None:
    client = TestClient(SOCKETS[name](guard))
    with client.websocket_connect("/socket", headers=dict(bearer(token_of(key)))) as socket:
        assert socket.receive_json() == {"sub": "user-1"}
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/socket"):
        pass
    assert refused.value.status_code == 401 and refused.value.json()["error"] == "unauthorized"


@pytest.mark.parametrize("extensions", [{}, {"extensions": {}}], ids=["none", "empty"])
@pytest.mark.parametrize("name", ["Starlette", "ASGI"])
def test_a_websocket_is_closed_where_the_server_cannot_say_why(name: str, extensions: Any, guard: Guard) -> None:
    async def old_server(scope: Any, receive: Any, send: Any) -> None:
        del scope["extensions"]
        scope |= extensions
        await SOCKETS[name](guard)(scope, receive, send)

    with pytest.raises(WebSocketDisconnect), TestClient(old_server).websocket_connect("/socket"):
        pass


def test_asgi_a_refusal_is_sent_as_the_specification_says(guard: Guard) -> None:
    """Header names are lower-case, and the length is that of the body."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("a refusal needs no body")

    async def send(message: Any) -> None:
        sent.append(message)

    app: Any = guard.asgi(inner_asgi(), "read")
    asyncio.run(app({"type": "http", "headers": []}, receive, send))
    start, body = sent
    fields = dict(start["headers"])
    assert all(name == name.lower() for name in fields)
    assert fields[b"content-length"] == str(len(body["body"])).encode()


def test_wsgi_a_refusal_says_its_length(guard: Guard) -> None:
    response = WerkzeugClient(guard.wsgi(inner_wsgi, "read")).get("/")
    assert response.headers["Content-Length"] == str(len(response.data))


def test_asgi_lifespan_passes(guard: Guard) -> None:
    started = []

    async def lifespan(app: object) -> Any:
        started.append(1)
        yield

    from contextlib import asynccontextmanager

    with TestClient(guard.asgi(Starlette(lifespan=asynccontextmanager(lifespan)), "read")):
        assert started == [1]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", ["django", "starlette"])
def test_a_view_gets_its_other_arguments_too(name: str, is_async: bool, guard: Guard) -> None:
    """Those in the path; FastAPI calls an endpoint with all of them by name."""

    def view(request: Any, number: int, *, name: str) -> tuple[int, str]:
        return number, name

    async def asynchronous(request: Any, number: int, *, name: str) -> tuple[int, str]:
        return number, name

    request = RequestFactory().get("/") if name == "django" else Request({"type": "http", "headers": []})
    guarded: Any = getattr(guard, name)("read")(asynchronous if is_async else view)
    with guard.fake(sub="ada", scope="read"):
        answer = guarded(request, 7, name="notes")
        assert (asyncio.run(answer) if is_async else answer) == (7, "notes")


def test_flask_a_view_gets_the_arguments_in_its_path(guard: Guard) -> None:
    app = flask_app(guard)

    @app.get("/notes/<int:number>")
    @guard.flask("read")
    def note(number: int) -> dict[str, int]:
        return {"number": number}

    with guard.fake(sub="ada", scope="read"):
        assert WerkzeugClient(app).get("/notes/7").json == {"number": 7}


def test_django_a_guarded_view_needs_no_csrf_token(guard: Guard) -> None:
    def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse({})

    assert guard.django("read")(view).csrf_exempt is True  # type: ignore[attr-defined]
    assert not hasattr(view, "csrf_exempt")


def test_django_rest_framework_the_token_is_of_the_request_and_its_user_is_the_subject(
    guard: Guard, key: RSAKey
) -> None:
    seen = []

    class Notes(APIView):  # type: ignore[misc]
        authentication_classes = (guard.drf_authentication(),)
        permission_classes = (IsAuthenticated,)

        def get(self, request: Any) -> Response:
            seen.append((str(request.user), request.user.pk, request.auth.subject, request.user.is_staff))
            return Response()

    def call(*fields: tuple[str, str]) -> Any:
        return Notes.as_view()(RequestFactory().get("/", headers=dict(fields)))

    assert call(*bearer(token_of(key))).status_code == 200
    assert seen == [("user-1", "user-1", "user-1", False)]
    refused = call()  # by a permission that knows nothing of tokens
    assert refused.status_code == 401 and refused.headers["WWW-Authenticate"] == f'Bearer realm="{AUDIENCE}"'


@pytest.mark.parametrize("auth", [None, "a key of another authentication class"])
def test_django_rest_framework_a_user_authenticated_by_other_means_has_no_token(auth: str | None, guard: Guard) -> None:
    class Session(BaseAuthentication):  # type: ignore[misc]
        def authenticate(self, request: Any) -> tuple[object, str | None]:
            return object(), auth

    class Notes(APIView):  # type: ignore[misc]
        authentication_classes = (Session, guard.drf_authentication())
        permission_classes = (guard.drf_permission("read"),)

    assert Notes.as_view()(RequestFactory().get("/")).status_code == 401


def test_starlette_an_endpoint_without_its_request_is_a_mistake_said_so(guard: Guard) -> None:
    with pytest.raises(TypeError, match="Depends"):
        guard.starlette("read")(lambda: None)()


def test_decorators_keep_name_and_doc(guard: Guard) -> None:
    def notes() -> None:
        """All notes."""

    for decorate in (guard.starlette("read"), guard.flask("read"), guard.django("read")):
        assert decorate(notes).__name__ == "notes" and decorate(notes).__doc__ == "All notes."


def test_a_view_s_own_error_is_not_ours(guard: Guard, key: RSAKey) -> None:
    def broken(environ: Any, start_response: Any) -> Iterator[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        WerkzeugClient(guard.wsgi(broken, "read")).get("/", headers=bearer(token_of(key)))

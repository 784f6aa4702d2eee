"""The Python client of the Model Context Protocol: from a 401 of an API to its data, with a sign-in in between."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from authserver.testing import Issuer, running_issuer
from tests.harness.constants import LONG, PASSWORD

pytest.importorskip("mcp", reason="mcp is not installed")
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

API = "https://notes.example/mcp"
DOCUMENT = "https://notes.example/.well-known/oauth-protected-resource/mcp"
BACK = "http://127.0.0.1:3030/callback"
REGISTERED = "http://127.0.0.1/callback"
SCOPE = "openid read offline_access"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as issuer:
        issuer.user("ada", PASSWORD)
        yield issuer


class Storage:
    """Where the client keeps what it knows: an id that was registered by hand, and its tokens."""

    def __init__(self, client_id: str) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(client_id=client_id, redirect_uris=[AnyUrl(BACK)])

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        raise AssertionError("The client is registered already.")


def api(issuer: Issuer) -> Starlette:
    """An API that only says who it is, who its issuer is, and which scopes it needs (RFC 9728)."""
    guard = issuer.guard(API, resource_metadata=DOCUMENT)

    @guard.starlette("read")
    async def notes(request: Request) -> Response:
        return JSONResponse({"reader": request.state.token.subject})

    async def document(_: Request) -> Response:
        return JSONResponse(guard.metadata(scopes_supported=SCOPE.split()))

    return Starlette(routes=[Route("/mcp", notes), Route(urlsplit(DOCUMENT).path, document)])


def provider(issuer: Issuer, storage: Storage) -> OAuthClientProvider:
    opened: list[str] = []

    async def redirect(url: str) -> None:
        opened.append(url)

    async def callback() -> AuthorizationCodeResult:
        response = dict(parse_qsl(urlsplit(issuer.authorize(opened.pop(), "ada")).query))
        return AuthorizationCodeResult(code=response["code"], state=response["state"], iss=response["iss"])

    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(BACK)], client_name="A client of MCP")
    return OAuthClientProvider(API, metadata, storage, redirect, callback)


@pytest.mark.anyio
async def test_it_signs_in_and_refreshes(issuer: Issuer) -> None:
    client_id = issuer.client(SCOPE, redirect_uris=[REGISTERED], application_type="native", audience=API)
    storage, transport = Storage(client_id), httpx2.ASGITransport(api(issuer))
    auth, mounts = provider(issuer, storage), {"https://notes.example": transport}
    async with httpx2.AsyncClient(auth=auth, mounts=mounts, timeout=LONG) as client:
        answer = await client.get(API)
        assert answer.status_code == 200 and answer.json()["reader"].startswith("u_")
        first = storage.tokens
        auth.context.token_expiry_time = 1.0
        assert (await client.get(API)).json() == answer.json()
    assert first and storage.tokens and first.refresh_token != storage.tokens.refresh_token

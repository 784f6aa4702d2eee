"""The plain JSON interface for first-party apps: /api/login, /api/refresh-token, /api/logout, on the same pipeline.

Responses have RFC 6749's members; an error is {"error": "<constant sentence>"}.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send

from ..domain import strict_json
from ..domain.errors import Unavailable
from ..domain.first_party import CLIENT_ID
from ..oauth.registry import GrantRegistry
from ..oauth.request import ClientRequest, Credentials
from ..oauth.revocation import Logout
from ..oauth.token_reply import TokenReply
from ..pipeline.errors import Refusal
from ..pipeline.pipeline import NewHandler, Pipeline
from ..pipeline.replies import Reply
from . import body
from .cookies import RefreshTokenCookie
from .malformed import MalformedRequests
from .network import network_of
from .replies import CLOSE, send_reply

log: Any = structlog.get_logger("authserver")
_MALFORMED = Reply(400, {"error": "The request is malformed"})
_FORBIDDEN_ORIGIN = Reply(403, {"error": "This origin is not allowed"})
_SWITCHED_OFF = Reply(403, {"error": "This interface is switched off"})
_WRONG_PASSWORD = "Username or password is wrong"  # noqa: S105
_DEAD_TOKEN = "Refresh token is invalid or has expired"  # noqa: S105


class Rejected(Exception):
    """The call is rejected before the pipeline. It carries the response, and the reason for the operator."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A parsed call: its members, where it came from, and the token in its cookie, if any."""

    members: Mapping[str, Any]
    origin: list[str]
    cookie: str | None
    is_empty: bool
    """Whether it had no body at all."""
    arrived_at: int
    network: str

    def text(self, name: str) -> str:
        """Return a required member, which must be text. Raises Rejected."""
        value = self.members.get(name)
        if not isinstance(value, str) or not value or "\0" in value or _has_lone_surrogate(value):
            raise Rejected(_MALFORMED, "a member is missing or not text")
        return value


def _has_lone_surrogate(value: str) -> bool:
    """Whether the text contains half of a surrogate pair, which JSON can express and UTF-8 cannot."""
    return any("\ud800" <= character <= "\udfff" for character in value)


class Api:
    """Three methods that each handle one call; `endpoint` turns one into an ASGI application."""

    def __init__(
        self,
        pipeline: Pipeline,
        grants: GrantRegistry,
        now: Callable[[], int],
        cookie: RefreshTokenCookie,
        malformed: MalformedRequests,
    ) -> None:
        self._pipeline, self._grants = pipeline, grants
        self._now, self._cookie, self._malformed = now, cookie, malformed

    async def login(self, call: ApiRequest) -> Reply:
        by_cookie = call.members.get("cookie", False)
        if not isinstance(by_cookie, bool):
            raise Rejected(_MALFORMED, "`cookie` is neither true nor false")
        if by_cookie:
            self._demand_own_origin(call)
        form = {"grant_type": "password", "username": call.text("username"), "password": call.text("password")}
        reply = await self._run(call, form, self._grants, _WRONG_PASSWORD)
        return self._in_cookie(reply) if by_cookie else reply

    async def refresh_token(self, call: ApiRequest) -> Reply:
        if call.cookie is None and (call.is_empty or (not call.members and self._is_from_own_page(call))):
            return _unauthorized(_DEAD_TOKEN)  # a browser app whose cookie has expired
        form = {"grant_type": "refresh_token", "refresh_token": self._token(call)}
        reply = await self._run(call, form, self._grants, _DEAD_TOKEN)
        # A refusal keeps the cookie: another tab may have set it by a newer login.
        return reply if call.cookie is None else self._in_cookie(reply)

    async def logout(self, call: ApiRequest) -> Reply:
        if call.cookie is None and not call.members and self._is_from_own_page(call):
            return self._cleared(Reply(204, None))  # a browser app whose cookie has expired
        reply = await self._run(call, {"token": self._token(call)}, Logout, _DEAD_TOKEN)
        done = Reply(204, None) if reply.status == 200 else reply
        return done if call.cookie is None else self._cleared(done)

    def endpoint(self, answer: Callable[[ApiRequest], Awaitable[Reply]]) -> "Endpoint":
        return Endpoint(answer, self._now, self._cookie, self._malformed)

    async def _run(
        self, call: ApiRequest, form: Mapping[str, str], new_handler: NewHandler[ClientRequest, Reply], wrong: str
    ) -> Reply:
        """Run the pipeline as the built-in client; `wrong` is the error text of status 401."""
        request = ClientRequest(form, (), Credentials("none", CLIENT_ID), call.arrived_at, call.network)
        try:
            return await self._pipeline.run(request, new_handler)
        except Refusal as refusal:
            return _refusal_reply(refusal, wrong)

    def _token(self, call: ApiRequest) -> str:
        if call.cookie is None:
            return call.text("refresh_token")
        if "refresh_token" in call.members:
            raise Rejected(_MALFORMED, "a refresh token both in the body and in a cookie")
        self._demand_own_origin(call)
        return call.cookie

    def _demand_own_origin(self, call: ApiRequest) -> None:
        """Raise Rejected unless the call comes from one of our own pages: a browser sends the cookie from any page."""
        if not self._is_from_own_page(call):
            raise Rejected(_FORBIDDEN_ORIGIN, "an origin that is not the issuer's")

    def _is_from_own_page(self, call: ApiRequest) -> bool:
        return call.origin == [self._cookie.origin]

    def _in_cookie(self, reply: Reply) -> Reply:
        if not isinstance(reply, TokenReply) or not reply.refresh_token:
            return reply
        set_cookie = self._cookie.set(reply.refresh_token, reply.refresh_token_expires_in)
        return replace(reply, headers={"Set-Cookie": set_cookie}, refresh_token="")

    def _cleared(self, reply: Reply) -> Reply:
        return replace(reply, headers={**reply.headers, "Set-Cookie": self._cookie.clear()})


class Endpoint:
    """Reads a call and sends its response, as plain ASGI."""

    def __init__(
        self,
        answer: Callable[[ApiRequest], Awaitable[Reply]],
        now: Callable[[], int],
        cookie: RefreshTokenCookie,
        malformed: MalformedRequests,
    ) -> None:
        self._answer, self._now, self._cookie, self._malformed = answer, now, cookie, malformed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._answer(await self._read(scope, receive))
        except body.Disconnected:
            return
        except body.UnreadableBody as error:
            self._malformed.count(error.reason, network_of(scope))
            reply = Reply(error.status, {"error": error.reason.removesuffix(".")}, CLOSE)
        except Rejected as error:
            self._malformed.count(str(error), network_of(scope))
            reply = error.reply
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["path"])
            reply = Reply(
                503, {"error": "The server is temporarily unavailable"}, {"Retry-After": str(error.retry_after)}
            )
        await send_reply(send, reply)

    async def _read(self, scope: Scope, receive: Receive) -> ApiRequest:
        headers = body.headers_of(scope)
        content = await body.read(scope, headers, receive)
        arrived_at = self._now()
        try:
            cookie = self._cookie.read(headers)
            members = strict_json.parse(content) if content else {}
        except ValueError:
            raise Rejected(_MALFORMED, "a body that is not one JSON object, or two cookies") from None
        if (content and not body.is_json(headers, content)) or body.has_protocol_parameters(scope):
            raise Rejected(_MALFORMED, "a body that is not of type JSON, or parameters in the query string")
        return ApiRequest(members, headers.get("origin", []), cookie, not content, arrived_at, network_of(scope))


def _refusal_reply(refusal: Refusal, wrong: str) -> Reply:
    if refusal.status == 429:
        return Reply(429, {"error": "Too many attempts"}, {"Retry-After": str(refusal.retry_after)})
    if refusal.code == "invalid_grant":
        return _unauthorized(wrong)
    return _SWITCHED_OFF if refusal.code in ("invalid_client", "unauthorized_client") else _MALFORMED


def _unauthorized(wrong: str) -> Reply:
    """Return status 401. Browsers open no password dialog for Bearer."""
    return Reply(401, {"error": wrong}, {"WWW-Authenticate": 'Bearer realm="api"'})

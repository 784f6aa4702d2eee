"""The plain JSON interface for first-party apps: /api/login, /api/refresh-token, /api/logout, on the road of /token.

Answers have RFC 6749's members; an error is {"error": "<constant sentence>"}.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..domain.first_party import CLIENT_ID
from ..oauth.errors import Reply
from ..oauth.request import Credentials, TokenRequest
from ..oauth.revocation import Revocation
from ..oauth.road import Road, log
from . import body, strict_json
from .cookies import RefreshTokenCookie
from .malformed import MalformedRequests
from .network import network_of
from .replies import CLOSE, send_reply

MALFORMED = Reply(400, {"error": "The request is malformed"})
_UNREADABLE = {
    408: Reply(408, {"error": "The body did not arrive within 10 seconds"}, CLOSE),
    413: Reply(413, {"error": "The body exceeds 64 KiB"}, CLOSE),
    415: Reply(415, {"error": "A body with a Content-Encoding is not accepted"}, CLOSE),
}
_NOT_HERE = Reply(403, {"error": "This origin is not allowed"})
_WRONG_PASSWORD = "Username or password is wrong"  # noqa: S105
_DEAD_TOKEN = "Refresh token is invalid or has expired"  # noqa: S105


class Refused(Exception):
    """Carries the answer, and what the operator reads."""

    def __init__(self, reply: Reply, reason: str) -> None:
        super().__init__(reason)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was read: its members, where it came from, and the token of its cookie if it has one."""

    members: Mapping[str, Any]
    origin: list[str]
    cookie: str | None
    is_empty: bool
    """Whether it had no body at all."""
    arrived_at: int
    network: str

    def text(self, name: str) -> str:
        """A member that must be there, as text. Raises Refused."""
        value = self.members.get(name)
        if not isinstance(value, str) or not value or "\0" in value or _is_broken(value):
            raise Refused(MALFORMED, "a member is missing or no text")
        return value


def _is_broken(value: str) -> bool:
    """Half of a surrogate pair, which JSON can spell and UTF-8 cannot."""
    return any("\ud800" <= letter <= "\udfff" for letter in value)


class Api:
    """Its three methods answer one call each; `endpoint` makes an ASGI application of one."""

    def __init__(
        self, road: Road, now: Callable[[], int], cookie: RefreshTokenCookie, malformed: MalformedRequests
    ) -> None:
        self._road, self._now, self._cookie, self._malformed = road, now, cookie, malformed

    async def login(self, call: Call) -> Reply:
        by_cookie = call.members.get("cookie", False)
        if not isinstance(by_cookie, bool):
            raise Refused(MALFORMED, "`cookie` is neither true nor false")
        if by_cookie:
            self._demand_own_origin(call)
        form = {"grant_type": "password", "username": call.text("username"), "password": call.text("password")}
        reply = await self._send(call, form, _WRONG_PASSWORD)
        return self._in_cookie(reply) if by_cookie else reply

    async def refresh_token(self, call: Call) -> Reply:
        if call.cookie is None and (call.is_empty or (not call.members and self._is_from_own_page(call))):
            return _unauthorized(_DEAD_TOKEN)  # a browser app whose cookie has expired
        token = self._token(call)
        form = {"grant_type": "refresh_token", "refresh_token": token}
        reply = await self._send(call, form, _DEAD_TOKEN)
        # A refusal leaves the cookie: by now it may be a newer login's, of another tab.
        return reply if call.cookie is None else self._in_cookie(reply)

    async def logout(self, call: Call) -> Reply:
        if call.cookie is None and not call.members and self._is_from_own_page(call):
            return self._cleared(Reply(204, None))  # a browser app whose cookie has expired
        reply = await self._send(call, {"token": self._token(call)}, _DEAD_TOKEN, _EndOfLogin)
        done = Reply(204, None) if reply.status == 200 else reply
        return done if call.cookie is None else self._cleared(done)

    def endpoint(self, answer: Callable[[Call], Awaitable[Reply]]) -> "Endpoint":
        return Endpoint(answer, self._now, self._cookie, self._malformed)

    async def _send(self, call: Call, form: Mapping[str, str], wrong: str, choose: Any = None) -> Reply:
        """Down the road, as the built-in client; `wrong` is what 401 says."""
        request = TokenRequest(form, (), Credentials("none", CLIENT_ID), call.arrived_at, call.network)
        reply = await self._road.answer(request, choose)
        return reply if reply.status == 200 else _in_plain_words(reply, wrong)

    def _token(self, call: Call) -> str:
        if call.cookie is None:
            return call.text("refresh_token")
        if "refresh_token" in call.members:
            raise Refused(MALFORMED, "a refresh token both in the body and in a cookie")
        self._demand_own_origin(call)
        return call.cookie

    def _demand_own_origin(self, call: Call) -> None:
        """A browser sends the cookie from whatever page; only our own pages may have it used."""
        if not self._is_from_own_page(call):
            raise Refused(_NOT_HERE, "an origin that is not the issuer's")

    def _is_from_own_page(self, call: Call) -> bool:
        return call.origin == [self._cookie.origin]

    def _in_cookie(self, reply: Reply) -> Reply:
        if reply.status != 200 or reply.body is None:
            return reply
        shown = {name: value for name, value in reply.body.items() if name != "refresh_token"}
        set_cookie = self._cookie.set(reply.body["refresh_token"], reply.refresh_token_expires_in)
        return Reply(200, shown, {"Set-Cookie": set_cookie})

    def _cleared(self, reply: Reply) -> Reply:
        return Reply(reply.status, reply.body, {**reply.headers, "Set-Cookie": self._cookie.clear()})


class _EndOfLogin(Revocation):
    """A revocation to which an access token is unknown: denying it alone would only look like a log-out."""

    def _deny_access_token(self) -> None:
        return None


class Endpoint:
    """Reads a call and answers it, as plain ASGI."""

    def __init__(
        self,
        answer: Callable[[Call], Awaitable[Reply]],
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
        except body.Unreadable as error:
            self._malformed.count(error.reason, network_of(scope))
            reply = _UNREADABLE[error.reply.status]
        except Refused as error:
            self._malformed.count(str(error), network_of(scope))
            reply = error.reply
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["path"])
            reply = Reply(503, {"error": "The server cannot answer now"}, {"Retry-After": str(error.retry_after)})
        await send_reply(send, reply)

    async def _read(self, scope: Scope, receive: Receive) -> Call:
        headers = body.headers_of(scope)
        content = await body.read(headers, receive)
        arrived_at = self._now()
        try:
            cookie = self._cookie.read(headers)
            members = strict_json.parse(content) if content else {}
        except ValueError:
            raise Refused(MALFORMED, "a body that is not one JSON object, or two cookies") from None
        if (content and not body.is_json(headers, content)) or body.has_protocol_parameters(scope):
            raise Refused(MALFORMED, "a body that is not of type JSON, or parameters in the query string")
        return Call(members, headers.get("origin", []), cookie, not content, arrived_at, network_of(scope))


def _unauthorized(wrong: str) -> Reply:
    """Browsers know no dialog for Bearer."""
    return Reply(401, {"error": wrong}, {"WWW-Authenticate": 'Bearer realm="api"'})


def _in_plain_words(reply: Reply, wrong: str) -> Reply:
    error = (reply.body or {}).get("error")
    if error == "invalid_grant":
        return _unauthorized(wrong)
    if error in ("invalid_client", "unauthorized_client"):
        return Reply(403, {"error": "This interface is switched off"})
    return MALFORMED

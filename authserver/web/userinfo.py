"""GET and POST /userinfo (OpenID Connect Core s5.3), with an access token in the header or in a form (RFC 6750 s2)."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..domain.standard_claims import OPENID
from ..oauth.request import parse_form
from ..oauth.userinfo import UserInfo, UserInfoRequest
from ..pipeline.errors import Refusal
from ..pipeline.pipeline import Pipeline
from ..pipeline.replies import Reply
from ..resource.bearer import answer, bearer_token, json_body
from ..resource.errors import InsufficientScope, InvalidRequest, TokenRejected
from . import body
from .cors import CrossOrigin
from .malformed import MalformedRequests
from .network import network_of
from .replies import send_reply, unavailable_reply, unreadable_reply

log: Any = structlog.get_logger("authserver")
METHODS = ["GET", "POST"]


class SentTwice(InvalidRequest):
    """RFC 6750 s2: clients MUST NOT use more than one method to transmit the token in each request."""

    description = "The access token must be sent once: in the Authorization header, or in a form"


class UserInfoEndpoint:
    """Plain ASGI."""

    def __init__(
        self, pipeline: Pipeline, now: Callable[[], int], malformed: MalformedRequests, cross_origin: CrossOrigin
    ) -> None:
        self._pipeline, self._now = pipeline, now
        self._malformed, self._cross_origin = malformed, cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = body.headers_of(scope)
        try:
            reply = await self._answer(scope, headers, receive)
        except body.Disconnected:
            return
        except body.UnreadableBody as error:
            self._malformed.count(error.reason, network_of(scope))
            reply = unreadable_reply(error.status, error.reason)
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["path"])
            reply = unavailable_reply(error)
        # The token says which client it is, but not before it is verified: every origin that a client registered may
        # read the response, which only someone with the token gets.
        more = await self._cross_origin.headers(headers, None)
        await send_reply(send, replace(reply, headers={**reply.headers, **more}))

    async def _answer(self, scope: Scope, headers: Mapping[str, list[str]], receive: Receive) -> Reply:
        try:
            access_token = await _access_token(scope, headers, receive)
        except TokenRejected as rejected:
            self._malformed.count(f"At /userinfo: {rejected.reason}.", network_of(scope))
            return _rejected(rejected)
        request = UserInfoRequest(access_token, self._now(), network_of(scope))
        try:
            return await self._pipeline.run(request, UserInfo)
        except Refusal as refusal:
            return _rejected(InsufficientScope([OPENID]) if refusal.status == 403 else TokenRejected(refusal.detail))


async def _access_token(scope: Scope, headers: Mapping[str, list[str]], receive: Receive) -> str:
    """Return the access token. Raises TokenRejected, UnreadableBody and Disconnected."""
    content = await body.read(scope, headers, receive) if scope["method"] == "POST" else b""
    in_form = _in_form(content) if content and body.is_form(headers, content) else None
    # RFC 9700 s4.3.2: clients MUST NOT pass access tokens in a URI query parameter.
    if "access_token" in body.query_names(scope) or (in_form is not None and "authorization" in headers):
        raise SentTwice("an access token in the query string, or in two places")
    return bearer_token(headers.get("authorization", [])) if in_form is None else in_form


def _in_form(content: bytes) -> str | None:
    """Return the access token in a form; None if it has none."""
    try:
        form, _ = parse_form(content)
    except Refusal as refusal:
        raise SentTwice("a malformed form") from refusal
    return form.get("access_token")


def _rejected(rejected: TokenRejected) -> Reply:
    made = answer(rejected, "authserver", None, json_body)
    return Reply(made.status, json_body(rejected), {"WWW-Authenticate": made.headers["WWW-Authenticate"]})

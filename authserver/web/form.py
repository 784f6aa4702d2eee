"""POST /token (RFC 6749 s3.2) and the other endpoints where clients authenticate with a form: plain ASGI."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..oauth.request import ClientRequest, parse
from ..pipeline.errors import Refusal
from ..pipeline.pipeline import NewHandler, Pipeline
from ..pipeline.replies import Reply
from . import body
from .cors import CrossOrigin
from .malformed import MalformedRequests
from .network import network_of
from .replies import refusal_reply, send_reply, unavailable_reply, unreadable_reply

log: Any = structlog.get_logger("authserver")


class FormEndpoint:
    def __init__(
        self,
        pipeline: Pipeline,
        now: Callable[[], int],
        malformed: MalformedRequests,
        new_handler: NewHandler[ClientRequest, Reply],
        *,
        required: str | None = None,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        """`required` is a parameter whose absence is reported before the client is even looked up."""
        self._pipeline, self._now, self._malformed = pipeline, now, malformed
        self._new_handler, self._required, self._cross_origin = new_handler, required, cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, request = body.headers_of(scope), None
        try:
            request = await self._parse(scope, headers, receive)
            reply = await self._pipeline.run(request, self._new_handler)
        except body.Disconnected:
            return
        except body.UnreadableBody as error:
            self._malformed.count(error.reason, network_of(scope))
            reply = unreadable_reply(error.status, error.reason)
        except Refusal as refusal:
            reply = self._refused(refusal, request, scope, headers)
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["path"])
            reply = unavailable_reply(error)
        await send_reply(send, await self._for_browsers(reply, request, headers))

    async def _parse(self, scope: Scope, headers: Mapping[str, list[str]], receive: Receive) -> ClientRequest:
        content = await body.read(scope, headers, receive)
        arrived_at = self._now()  # after the whole body was read: a slow sender gains no time
        if not body.is_form(headers, content) or body.has_protocol_parameters(scope):
            raise Refusal("invalid_request", "The body is not a form in UTF-8, or the query string has parameters.")
        request = parse(content, headers, arrived_at=arrived_at, network=network_of(scope))
        if self._required and self._required not in request.form:
            raise Refusal("invalid_request", f"No {self._required}.")
        return request

    def _refused(
        self, refusal: Refusal, request: ClientRequest | None, scope: Scope, headers: Mapping[str, list[str]]
    ) -> Reply:
        if request is not None:
            return refusal_reply(refusal, by_header=request.credentials.by_header)
        self._malformed.count(refusal.detail, network_of(scope))  # the pipeline logs refusals of well-formed requests
        return refusal_reply(refusal, by_header="authorization" in headers)

    async def _for_browsers(
        self, reply: Reply, request: ClientRequest | None, headers: Mapping[str, list[str]]
    ) -> Reply:
        if self._cross_origin is None:
            return reply
        client_id = request.credentials.client_id if request else None
        more = await self._cross_origin.headers(headers, client_id)
        return replace(reply, headers={**reply.headers, **more}) if more else reply

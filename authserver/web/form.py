"""POST /token (RFC 6749 s3.2) and the other endpoints where clients authenticate with a form: plain ASGI."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.types import Receive, Scope, Send

from ..domain.errors import Unavailable
from ..oauth.errors import InvalidRequestError, OAuth2Error, because, detail_of, reply_to
from ..oauth.grant import Traveller
from ..oauth.request import TokenRequest, Walk, parse
from ..oauth.road import Road, log
from . import body
from .cors import CrossOrigin
from .malformed import MalformedRequests
from .network import network_of
from .replies import send_reply, unavailable


class FormEndpoint:
    """`choose` makes what travels the road; without it the request's grant_type says."""

    def __init__(
        self,
        road: Road,
        now: Callable[[], int],
        malformed: MalformedRequests,
        choose: Callable[[Walk], Traveller] | None = None,
        cross_origin: CrossOrigin | None = None,
    ) -> None:
        self._road, self._now, self._malformed, self._choose = road, now, malformed, choose
        self._cross_origin = cross_origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, request = body.headers_of(scope), None
        try:
            request = await self._read(scope, headers, receive)
            reply = await self._road.answer(request, self._choose)
        except body.Disconnected:
            return
        except body.Unreadable as error:
            self._malformed.count(error.reason, network_of(scope))
            reply = error.reply
        except OAuth2Error as error:
            self._malformed.count(detail_of(error), network_of(scope))
            reply = reply_to(error, by_header="authorization" in headers)
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["path"])
            reply = unavailable(error)
        if self._cross_origin is not None:
            client_id = request.credentials.client_id if request else None
            more = await self._cross_origin.headers(headers, client_id)
            reply = replace(reply, headers={**reply.headers, **more}) if more else reply
        await send_reply(send, reply)

    async def _read(self, scope: Scope, headers: Mapping[str, list[str]], receive: Receive) -> TokenRequest:
        content = await body.read(headers, receive)
        arrived_at = self._now()  # whole: a body that trickles in buys no time
        if not body.is_form(headers, content) or body.has_protocol_parameters(scope):
            raise because(InvalidRequestError(), "Not one form in UTF-8, or parameters in the query string.")
        authorization = headers.get("authorization", ())
        request = parse(content, authorization, arrived_at=arrived_at, network=network_of(scope))
        if self._choose is None and "grant_type" not in request.form:
            raise because(InvalidRequestError(), "No grant_type.")
        return request

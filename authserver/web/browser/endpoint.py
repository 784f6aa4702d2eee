"""Reads a browser's request, runs the pipeline and sends the page or the redirect, as plain ASGI."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from ...accounts.browser import error_page
from ...accounts.request import MAX_FIELDS, BrowserRequest, parse_parameters
from ...domain.errors import Unavailable
from ...pipeline.errors import Refusal
from ...pipeline.pipeline import NewHandler, Pipeline
from ...pipeline.replies import BrowserAnswer, GoTo, Page
from .. import body
from ..malformed import MalformedRequests
from ..network import network_of
from .cookies import BrowserCookies
from .pages import Pages

_MAX_QUERY = 32 * 1024  # bytes
_MAX_FORM_AS_QUERY = 16 * 1024  # bytes
log: Any = structlog.get_logger("authserver")


class BrowserEndpoint:
    def __init__(
        self,
        pipeline: Pipeline,
        now: Callable[[], int],
        malformed: MalformedRequests,
        pages: Pages,
        cookies: BrowserCookies,
        new_handler: NewHandler[BrowserRequest, BrowserAnswer],
        *,
        query_path: str = "",
    ) -> None:
        """`query_path` is for an endpoint to which other sites send forms: a POST is redirected to the GET of that
        path, below the issuer, with the form as its query."""
        self._query_path = query_path
        self._pipeline, self._now, self._malformed = pipeline, now, malformed
        self._pages, self._cookies, self._new_handler = pages, cookies, new_handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            # RFC 9110 s9.2.1: request methods are considered "safe" if their defined semantics are essentially
            # read-only. A GET here may begin an interaction, give a code or end a session, and what previews links
            # sends HEAD.
            await self._pages.send_head(send)
            return
        try:
            answer = await self._answer(scope, receive)
        except body.Disconnected:
            return
        except body.UnreadableBody as error:
            answer = self._malformed_page(scope, error.reason, error.status, closes=True)
        except Refusal as refusal:  # of a request that could not be parsed
            answer = self._malformed_page(scope, refusal.detail, refusal.status)
        except Unavailable as error:
            log.warning("unavailable", reason=str(error), path=scope["route"].path)
            answer = error_page("unavailable", 503, error.retry_after)
        except Exception:  # a bug: people get a page, where ErrorBoundary would send programs JSON
            log.exception("failed", path=scope["route"].path, method=scope["method"])
            answer = error_page("failed", 500)
        await self._pages.send(scope, send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> BrowserAnswer:
        headers = body.headers_of(scope)
        query: bytes = scope["query_string"]
        if len(query) > _MAX_QUERY:
            raise body.UnreadableBody(414, "The address is too long.")
        if scope["method"] != "POST":
            return await self._run(scope, headers, query)
        content = await body.read(scope, headers, receive)
        if not body.is_form(headers, content):
            raise Refusal("invalid_request", "The body is not a form in UTF-8.")
        if self._query_path:
            return _as_query(self._query_path, content)
        return await self._run(scope, headers, content)

    async def _run(self, scope: Scope, headers: Mapping[str, list[str]], encoded: bytes) -> BrowserAnswer:
        arrived_at = self._now()  # after the whole body was read: a slow sender gains no time
        cookies = self._cookies.read(headers)
        request = BrowserRequest(
            parse_parameters(encoded),
            arrived_at,
            network_of(scope),
            cookies["browser"],
            cookies["session"],
            _interaction_id(scope),
            headers.get("user-agent", [""])[0],
            self._is_same_origin(headers),
            ",".join(headers.get("accept-language", [])),
        )
        return await self._pipeline.run(request, self._new_handler)

    def _is_same_origin(self, headers: Mapping[str, list[str]]) -> bool:
        """Whether the browser says that a page of ours sent the request. All browsers send Origin with a form."""
        if headers.get("sec-fetch-site", ["same-origin"]) != ["same-origin"]:
            return False
        return headers.get("origin") == [self._cookies.origin]

    def _malformed_page(self, scope: Scope, reason: str, status: int, *, closes: bool = False) -> Page:
        self._malformed.count(reason, network_of(scope))  # the pipeline logs refusals of well-formed requests
        return replace(error_page("request", status), closes=closes)


class ByMethod:
    """An address that a form is sent to, and what a GET of it gets."""

    def __init__(self, get: ASGIApp, post: ASGIApp) -> None:
        self._get, self._post = get, post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._post if scope["method"] == "POST" else self._get)(scope, receive, send)


class BackToInteraction:
    """Redirects to the interaction in the path, which knows the next page."""

    def __init__(self, pages: Pages, place: str) -> None:
        """`place` is the path of all interactions, below the issuer."""
        self._pages, self._place = pages, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id = _interaction_id(scope)
        await self._pages.send(scope, send, GoTo(f"{self._place}/{id.hex()}") if id else error_page("expired", 400))


def _as_query(path: str, content: bytes) -> GoTo:
    """Return the redirect from the POST to the GET of `path`: another site's form brings no cookie of ours, since they
    are SameSite=Lax, and the GET does."""
    try:
        pairs = parse_qsl(content.decode("latin-1"), True, encoding="latin-1", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Refusal("invalid_request", "The form has too many fields.") from None
    query = urlencode(pairs, encoding="latin-1")  # whatever the bytes are
    if len(query) > _MAX_FORM_AS_QUERY:
        raise body.UnreadableBody(413, "The form exceeds 16 KiB.")
    return GoTo(f"{path}?{query}")


def _interaction_id(scope: Scope) -> bytes | None:
    text = scope["path_params"].get("interaction", "")
    try:
        return bytes.fromhex(text) if len(text) == 32 else None
    except ValueError:
        return None

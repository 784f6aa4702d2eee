"""Answers requests for addresses that do not exist: people get a page, or a redirect to the page that they meant, and
programs get JSON."""

from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ..accounts.browser import error_page
from ..pipeline.replies import BrowserAnswer, GoTo
from .body import headers_of
from .browser.pages import Pages
from .replies import StaticReply, error_reply

_SENTENCES = {404: "There is nothing at this address.", 405: "This method is not allowed here."}
_CODES = {404: "not_found", 405: "invalid_request"}
NO_PAGE = error_page("not_found", 404)


def wants_page(scope: Scope) -> bool:
    """Whether a browser asks for a page to show: then it accepts HTML, which programs do not ask for."""
    accepted = ",".join(headers_of(scope).get("accept", []))
    return any(each.partition(";")[0].strip().lower() == "text/html" for each in accepted.split(","))


class PageAnswer:
    """A response of Starlette's that sends a page or a redirect of ours."""

    def __init__(self, pages: Pages, answer: BrowserAnswer) -> None:
        self._pages, self._answer = pages, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages.send(scope, send, self._answer)


class NotHere:
    """Handles Starlette's HTTPException."""

    def __init__(self, pages: Pages, base: str, routes: Sequence[BaseRoute]) -> None:
        """`base` is the path of the issuer, and `routes` are those of pages."""
        self._pages, self._base, self._routes = pages, base, routes

    async def __call__(self, request: Request, failure: Exception) -> Any:
        scope = request.scope
        if not isinstance(failure, HTTPException) or failure.status_code != 404 or not wants_page(scope):
            return await http_error(request, failure)
        return PageAnswer(self._pages, self._meant(scope) or NO_PAGE)

    def _meant(self, scope: Scope) -> GoTo | None:
        """Return the redirect to the page whose address was typed with a slash at the end, or the first page, without
        it. It leads below the issuer, whatever the Host of the request is."""
        path = scope["path"].rstrip("/")
        if scope["method"] not in ("GET", "HEAD"):
            return None
        if scope["path"] == self._base:
            return GoTo("/")
        if path == scope["path"] or not self._is_page({**scope, "path": path}):
            return None
        query = scope["query_string"].decode("latin-1")
        return GoTo(path.removeprefix(self._base) + (f"?{query}" if query else ""))

    def _is_page(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


async def http_error(_request: Request, failure: Exception) -> Any:
    """Return the JSON response for programs."""
    status = failure.status_code if isinstance(failure, HTTPException) else 500
    described = _SENTENCES.get(status, "The request cannot be answered.")
    headers = getattr(failure, "headers", None)
    return StaticReply(error_reply(status, _CODES.get(status, "invalid_request"), described, headers))

"""The page at /, which says what this server is and where its documents are."""

from starlette.types import Receive, Scope, Send

from ..pipeline.replies import Page
from .browser.pages import Pages


class LandingPage:
    def __init__(self, pages: Pages, metadata: str) -> None:
        """`metadata` is the URL of the server's metadata."""
        self._pages, self._page = pages, Page("landing_page", {"metadata": metadata})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._pages.send(scope, send, self._page)

"""The page at /, which says what this server is and where its documents are."""

from html import escape
from pathlib import Path
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_TEMPLATE = Path(__file__).parent / "templates" / "landing_page.html"
HTML_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def landing_page(issuer: str, metadata: str) -> Any:
    """Return the endpoint for this issuer; `metadata` is the URL of its metadata."""
    page = Template(_TEMPLATE.read_text()).substitute(issuer=escape(issuer), metadata=escape(metadata))

    async def landing_page(_request: Request) -> Response:
        return HTMLResponse(page, headers=HTML_HEADERS)

    return landing_page

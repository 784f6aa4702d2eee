"""Renders the answers of handlers to a browser: pages, redirects, and the pages that continue to a client."""

import json
import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlsplit

from starlette.types import Scope, Send

from ...domain import languages
from ...pipeline.replies import BrowserAnswer, Cookie, Download, GoTo, Page, Redirect
from ..body import headers_of
from ..replies import Header, send_body
from ..request_id import current_request_id
from .templates import Templates

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action {}; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS: list[Header] = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"publickey-credentials-get=(self), publickey-credentials-create=(self)"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
]
# Not no-referrer: with it, Chromium sends "Origin: null" with our own forms, and they would be taken for forged.
# strict-origin sends nobody more than the origin, so that no log of ours contains a link's secret, either.
_REFERRER_POLICY = {False: b"same-origin", True: b"strict-origin"}
"""By whether the page's address is a secret."""
_UNRESERVED = (string.ascii_letters + string.digits + "._~-").encode()
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


class Pages:
    def __init__(self, issuer: str, set_cookie: Callable[[str, Cookie | None], str], templates: Templates) -> None:
        """`set_cookie` returns a Set-Cookie value for a name and a cookie; None deletes the cookie."""
        self._issuer, self._set_cookie, self._templates = issuer, set_cookie, templates

    async def send(self, scope: Scope, send: Send, answer: BrowserAnswer) -> None:
        match answer:
            case Redirect():
                await self._send_to_client(scope, send, answer)
            case Page():
                await self._send_page(scope, send, answer)
            case GoTo(path, cookies):
                await _send_redirect(send, self._issuer + path, self._set_cookies(cookies))
            case Download(name, content):
                await _send_file(send, name, content)

    async def _send_to_client(self, scope: Scope, send: Send, answer: Redirect) -> None:
        if answer.mode == "form_post":
            values = {"uri": answer.uri, "params": answer.params, "client": answer.client}
            page = Page("form_post", values, ui_locales=answer.ui_locales, cookies=answer.cookies)
            await self._send_page(scope, send, page, _form_action(answer.uri))
        elif answer.after_form:
            # Browsers hold `form-action` against every redirect that follows a form: a 303 to the client would be
            # blocked, though a form of ours led to it.
            values = {"uri": with_params(answer.uri, answer.params), "client": answer.client}
            page = Page("continue", values, ui_locales=answer.ui_locales, cookies=answer.cookies)
            await self._send_page(scope, send, page)
        else:
            uri = with_params(answer.uri, answer.params)
            await _send_redirect(send, uri, self._set_cookies(answer.cookies))

    async def send_head(self, send: Send) -> None:
        """Answer a HEAD with what all pages share. RFC 9110 s9.3.2: a server MAY omit header fields for which a value
        is determined only while generating the content."""
        headers = [*_HEADERS, (b"referrer-policy", _REFERRER_POLICY[False])]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _send_page(self, scope: Scope, send: Send, page: Page, form_action: str = "'self'") -> None:
        accepted = ",".join(headers_of(scope).get("accept-language", []))
        language = languages.choose(tuple(languages.LANGUAGES), page.ui_locales, accepted)
        values = {**page.values, "request_id": current_request_id()}
        html = self._templates.render(page.name, language, values)
        headers = [
            *_HEADERS,
            (b"referrer-policy", _REFERRER_POLICY[page.has_secret_address]),
            (b"content-language", language.encode()),
            (b"content-security-policy", _POLICY.format(form_action).encode()),
            *self._set_cookies(page.cookies),
        ]
        if page.closes:
            headers.append((b"connection", b"close"))
        if page.retry_after:
            headers.append((b"retry-after", str(page.retry_after).encode()))
        await send_body(send, page.status, html.encode(), headers)

    def _set_cookies(self, cookies: Mapping[str, Cookie | None]) -> list[Header]:
        return [(b"set-cookie", self._set_cookie(*cookie).encode()) for cookie in cookies.items()]


def with_params(uri: str, params: tuple[tuple[str, str], ...]) -> str:
    """Return the redirect URI with these parameters. RFC 6749 s3.1.2: a query component of the URI MUST be retained
    when adding additional query parameters. A state may have any bytes."""
    if not params:
        return uri
    separator = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return uri + separator + "&".join([f"{name}={_encoded(value)}" for name, value in params])


def _encoded(value: str) -> str:
    """Encode a parameter (RFC 6749 Appendix B). Most have nothing to encode, and `quote_plus` takes 4 us for that."""
    has_reserved = value.encode("ascii", "replace").translate(None, _UNRESERVED)  # "?" for what is not ASCII
    return _quoted(value) if has_reserved else value


@lru_cache(8)
def _quoted(value: str) -> str:
    """Quote `iss`, which every response has, only once: that takes 6 us."""
    return quote_plus(value, errors="surrogateescape")


def _form_action(uri: str) -> str:
    """Return what `form-action` allows on the page whose form goes to the client: its origin, or every address of its
    scheme if the policy's syntax has no word for the origin (CSP3 s2.3.1: it knows no IPv6 address)."""
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"'self' {origin if _ORIGIN.fullmatch(origin) else f'{parts.scheme}:'}"


async def _send_file(send: Send, name: str, content: Mapping[str, Any]) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"cache-control", b"no-store"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send_body(send, 200, json.dumps(content, indent=2).encode(), headers)


async def _send_redirect(send: Send, uri: str, more: list[Header]) -> None:
    # RFC 9700 s4.12: the authorization server MUST NOT use 307: a browser would post the password again.
    headers = [(b"location", uri.encode()), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
    await send_body(send, 303, b"", [*headers, *more])

"""Asks the issuer's URL as a client would: its metadata, its keys, its certificate and its time."""

import json
import socket
import ssl
from collections.abc import Callable, Collection
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ...domain.models import SECOND
from ...domain.times import span
from .database_check import clock_finding
from .finding import ERROR, OK, WARNING, Finding

ISSUER, TLS = "issuer", "tls"
_TIMEOUT = 5.0  # seconds
_MAX = 65536  # bytes
_SOON = 21 * 86400 * SECOND
_START = "Start the server, or check DNS, proxy and firewall. Without a running server: authserver doctor --offline"


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any) -> None:
        """RFC 8414 s3.2: a successful response MUST use the 200 OK HTTP status code."""


class Unreachable(Exception):
    """There was no usable response; the text says why."""


def check(issuer: str, kids: Collection[str], now: Callable[[], int]) -> list[Finding]:
    """`kids` are the keys that should be published; `now` returns microseconds."""
    parts = urlsplit(issuer)
    # RFC 8414 s3.1: inserted between the host component and the path component of the issuer.
    url = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
    try:
        before = now()
        metadata, date = _get(url)
        after = now()
        findings = [_same_issuer(issuer, url, metadata), *_same_keys(metadata, kids)]
    except Unreachable as error:
        return [Finding(ISSUER, ERROR, f"{url}: {error}", _START)]
    return [*findings, *_certificate(parts, now()), *_time(date, before, after)]


def _get(url: str) -> tuple[dict[str, Any], str | None]:
    """Return a JSON object, and the response's Date. Raises Unreachable."""
    try:
        request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the issuer is http or https
        with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT) as response:
            content = json.loads(response.read(_MAX))
            date = response.headers.get("Date")
    except HTTPError as error:
        raise Unreachable(f"the response has status {error.code}.") from None
    except (URLError, OSError, HTTPException) as error:
        raise Unreachable(f"no response ({getattr(error, 'reason', None) or error}).") from None
    except ValueError:
        raise Unreachable("the response is not JSON.") from None
    if not isinstance(content, dict):
        raise Unreachable("the response is not a JSON object.")
    return content, date


def _same_issuer(issuer: str, url: str, metadata: dict[str, Any]) -> Finding:
    # RFC 8414 s3.3: the "issuer" value returned MUST be identical to the authorization server's issuer identifier.
    if metadata.get("issuer") == issuer:
        return Finding(ISSUER, OK, f"{url} names the issuer {issuer}.")
    text = f"{url} names another issuer, {str(metadata.get('issuer'))[:200]!r}. Clients and APIs reject that."
    return Finding(ISSUER, ERROR, text, "Is another server there, or one with other settings? Check AUTHSERVER_ISSUER.")


def _same_keys(metadata: dict[str, Any], kids: Collection[str]) -> list[Finding]:
    url = str(metadata.get("jwks_uri"))
    if urlsplit(url).scheme not in ("http", "https"):
        return [Finding(ISSUER, ERROR, "The metadata names no jwks_uri.", "Is another server there?")]
    document, _ = _get(url)
    served = {str(key.get("kid")) for key in document.get("keys", ()) if isinstance(key, dict)}
    if missing := sorted(set(kids) - served):
        text = f"{url} lacks the key {missing[0]}, which this database publishes. APIs reject its tokens."
        fix = "Does the server there use this database? Does a cache in front of it keep the key set too long?"
        return [Finding(ISSUER, ERROR, text, fix)]
    return [Finding(ISSUER, OK, f"{url} has every published key.")]


def _certificate(issuer: SplitResult, now: int) -> list[Finding]:
    if issuer.scheme != "https":
        return []
    host = issuer.hostname or ""
    try:
        with (
            socket.create_connection((host, issuer.port or 443), _TIMEOUT) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            certificate, version = secured.getpeercert() or {}, secured.version()
    except OSError as error:
        return [Finding(TLS, ERROR, f"The TLS connection to {host} failed ({error}).", "Check the certificate.")]
    ends = int(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) * SECOND
    left = span(ends - now)
    if ends - now < _SOON:
        return [Finding(TLS, WARNING, f"The certificate of {host} ends in {left}.", "Renew it.")]
    return [Finding(TLS, OK, f"{version}; the certificate of {host} is valid for {left}.")]


def _time(date: str | None, before: int, after: int) -> list[Finding]:
    try:
        their_time = int(parsedate_to_datetime(date or "").timestamp()) * SECOND
    except ValueError:
        return []
    # A Date has whole seconds, and may be older than the response by the time that it took.
    apart = max(before - their_time - SECOND, their_time - after, 0)
    return [clock_finding(apart, "the Date of the issuer's response")]

"""Finds an issuer's keys: its metadata (RFC 8414, or OpenID Connect Discovery) and its JWKS, with ETag."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .strict_json import strict_json

MAX_BODY = 65536  # bytes
METADATA_SECONDS = 3600  # how long the JWKS's URL is cached
_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1", re.ASCII)
_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b", re.IGNORECASE | re.ASCII)


class Fetched(NamedTuple):
    """An HTTP response: status code, header fields by lower-case name, body as sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Transport = Callable[[str, Mapping[str, str]], Fetched]  # (URL, request header fields); may raise anything


class SourceError(Exception):
    """The issuer's response is not usable; the text says why, for the log."""


class LoadedKeySet(NamedTuple):
    """A JWKS as received: `document` is None if it has not changed; `max_age` in seconds if the issuer sent one."""

    document: object
    max_age: int | None
    validator: tuple[str, str] | None  # (URL, ETag), for the next load, once the keys proved usable


def check_url(url: str, what: str, allow_http: bool = False) -> str:
    """Return `url` if keys from it may be trusted: https, http on loopback, or any http with `allow_http`.

    Raises ValueError naming `what`.
    """
    parts = urlsplit(url)
    is_http = parts.scheme == "http" and (allow_http or _LOOPBACK.fullmatch(parts.hostname or ""))
    if not (parts.hostname and (parts.scheme == "https" or is_http)) or not url.isascii() or not url.isprintable():
        only = "an http or https URL" if allow_http else "an https URL (http only on loopback, or with allow_http=True)"
        raise ValueError(f"{what} must be {only}: {url!r}")
    if parts.username is not None or parts.fragment or " " in url or parts.port == 0:
        raise ValueError(f"{what} must not have a user, a fragment or spaces: {url!r}")
    return url


class Source:
    """Loads the JWKS of `issuer`, from `jwks_uri` if it is given, otherwise from the URL in the issuer's metadata."""

    def __init__(
        self,
        issuer: str,
        jwks_uri: str | None,
        fetch: Transport,
        now: Callable[[], float],
        allow_http: bool = False,
    ) -> None:
        self._issuer, self._given, self._fetch, self._now = issuer, jwks_uri, fetch, now
        self._allow_http = allow_http
        self._location: tuple[str, float] | None = None  # (jwks_uri, when)

    def load(self, validator: tuple[str, str] | None) -> LoadedKeySet:
        """Load the JWKS; `validator` is that of the last usable one. Raises SourceError and the transport's errors."""
        try:
            return self._load(self._given or self._jwks_uri(), validator)
        except Exception:
            self._location = None  # it may have moved: read the metadata again
            raise

    def _load(self, uri: str, validator: tuple[str, str] | None) -> LoadedKeySet:
        conditional = {"If-None-Match": validator[1]} if validator and validator[0] == uri else {}
        answer = self._fetch(uri, conditional)
        max_age = _max_age(answer.headers.get("cache-control", ""))
        if answer.status == 304 and conditional:
            return LoadedKeySet(None, max_age, validator)
        etag = answer.headers.get("etag")
        return LoadedKeySet(_json(answer, "the JWKS"), max_age, (uri, etag) if etag else None)

    def _jwks_uri(self) -> str:
        now = self._now()
        if self._location is None or not 0 <= now - self._location[1] < METADATA_SECONDS:
            self._location = self._discover(), now
        return self._location[0]

    def _discover(self) -> str:
        oauth, openid = metadata_urls(self._issuer)
        answer = self._fetch(oauth, {})
        if 400 <= answer.status < 500:  # 404, or the status of a proxy that forwards only known paths
            answer = self._fetch(openid, {})
        metadata: Any = _json(answer, "the metadata")
        # RFC 8414 s3.3: If these values are not identical, the data contained in the response MUST NOT be used.
        if not isinstance(metadata, dict) or metadata.get("issuer") != self._issuer:
            raise SourceError("the metadata belongs to another issuer")
        uri = metadata.get("jwks_uri")
        if not isinstance(uri, str):
            raise SourceError("the metadata has no jwks_uri")
        if urlsplit(self._issuer).scheme == "https" and urlsplit(uri).scheme == "http":
            raise SourceError("the metadata leads from https to http")
        return check_url(uri, "jwks_uri", self._allow_http)


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Return the two URLs of the metadata of `issuer`: by RFC 8414 s3.1 and by OpenID Connect Discovery s4.1."""
    parts = urlsplit(issuer)
    # RFC 8414 s3.1: any terminating "/" MUST be removed before inserting /.well-known/ between host and path
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"{origin}/.well-known/oauth-authorization-server{path}", f"{origin}{path}/.well-known/openid-configuration"


def _json(answer: Fetched, what: str) -> object:
    if answer.status != 200:  # redirects too: keys come only from the URL that the issuer published
        raise SourceError(f"the response for {what} has status {answer.status}")
    if len(answer.body) > MAX_BODY:
        raise SourceError(f"{what} is larger than 64 KiB")
    try:
        return strict_json(answer.body)  # a compressed body is not JSON and is never unpacked
    except ValueError:
        raise SourceError(f"{what} is not strict JSON") from None


def _max_age(cache_control: str) -> int | None:
    if "no-store" in cache_control.lower() or "no-cache" in cache_control.lower():
        return 0
    match = _MAX_AGE.search(cache_control)
    return int(match[1]) if match else None

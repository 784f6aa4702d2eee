"""What a client may be. Commands, the tests' issuer and later the registration endpoint ask here before they write."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from . import scopes
from .algorithms import ALGORITHMS, TYPS
from .errors import ScopeRefused
from .hosts import is_canonical, is_loopback
from .models import Client

MOST_ORIGINS = 100
_LONGEST_NAME = 256
_ID = re.compile(r"[A-Za-z0-9][\x21\x23-\x26\x28-\x2b\x2d-\x5b\x5d-\x7e]{0,63}")
_UNREADABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?")
_USUAL_PORTS = {"https": 443, "http": 80}
_ORIGIN_FORM = (
    "give scheme, host and port as a browser sends them, without a path or a slash at the end: "
    "https://app.example, or http for loopback only, like http://localhost:3000"
)


class ClientRefused(ValueError):
    """No client can be like this; the text says what is allowed."""


def new_id(random: bytes) -> str:
    """The id of a new client."""
    return f"c_{random.hex()}"


def check(client: Client, *, grant_types: Collection[str], auth_methods: Collection[str]) -> None:
    """Raises ClientRefused. `grant_types` and `auth_methods` are those that the server knows."""
    _check_id(client.id)
    _check_name(client.name)
    for grant in sorted(client.grant_types):
        _check_one_of("grant type", grant, grant_types)
    _check_one_of("auth method", client.auth_method, auth_methods)
    _check_one_of("access_token_alg", client.access_token_alg, ALGORITHMS)
    _check_one_of("access_token_typ", client.access_token_typ, TYPS)
    _check_scope(client.scope)
    for uri in client.audiences:
        _check_absolute(uri, "audience")
    for uri in client.redirect_uris:
        _check_redirect_uri(uri)
    _check_origins(client.web_origins)
    if client.auth_method == "none":
        _check_public(client)


def origin_fault(origin: str) -> str | None:
    """What keeps this from being an origin as browsers send it (RFC 6454 s6.2), which is compared byte for byte."""
    form = _ORIGIN.fullmatch(origin)
    if form is None or not is_canonical(form[2]) or int(form[3] or 1) > 65535:
        return "is not a web origin"
    if int(form[3] or 0) == _USUAL_PORTS[form[1]]:
        return "names the default port of its scheme, which browsers leave out"
    # Fetch s3.2: whoever can change the page on its way could use what it may.
    return "is http on a host that is not loopback" if form[1] == "http" and not is_loopback(form[2]) else None


def _check_id(id: str) -> None:
    # RFC 6749 appendix A.1: client-id = *VSCHAR. Without spaces, quotes and the like it can be typed everywhere.
    if not _ID.fullmatch(id):
        raise ClientRefused(
            f"The client id {id[:64]!r} cannot be used: 1 to 64 visible ASCII characters, none of them a space, quote, "
            "comma or backslash, and a letter or digit first."
        )


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _LONGEST_NAME or _UNREADABLE.search(name):
        raise ClientRefused("This name cannot be used: 1 to 256 characters, no control characters among them.")


def _check_one_of(what: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ClientRefused(f"There is no {what} {value!r}. Allowed: {', '.join(allowed)}.")


def _check_scope(scope: tuple[str, ...]) -> None:
    try:
        parsed = scopes.listed(scope)
    except ScopeRefused as error:
        raise ClientRefused(f"{error} Give words of visible ASCII letters without quotes and backslashes.") from None
    if parsed != scope:
        raise ClientRefused("Each scope is one word, and named once.")


def _check_absolute(uri: str, what: str) -> None:
    parts = urlsplit(uri)
    # RFC 8707 s2: MUST be an absolute URI, and MUST NOT include a fragment component; RFC 6749 s3.1.2 says the same.
    if not parts.scheme or not (parts.netloc or parts.path) or parts.fragment or any(ord(sign) <= 32 for sign in uri):
        raise ClientRefused(f"{uri!r} is no {what}: give an absolute URI without a fragment, like https://api.example.")


def _check_redirect_uri(uri: str) -> None:
    _check_absolute(uri, "redirect URI")
    parts = urlsplit(uri)
    if not _may_be_sent_to(parts.scheme, parts.hostname or "") or "@" in parts.netloc or "*" in uri:
        raise ClientRefused(
            f"{uri!r} cannot be a redirect URI: give https, http on a loopback host only, or an app's own scheme, "
            "which is a domain name in reverse (com.example.app:/back), without a user name or wildcard."
        )


def _may_be_sent_to(scheme: str, host: str) -> bool:
    if scheme in ("http", "https"):
        return is_loopback(host) or (scheme == "https" and bool(host))
    # RFC 8252 s8.4: reject any private-use URI schemes that don't contain a period. (javascript: and data: have none.)
    return "." in scheme


def _check_origins(origins: tuple[str, ...]) -> None:
    if len(origins) > MOST_ORIGINS:
        raise ClientRefused(f"A client has at most {MOST_ORIGINS} web origins.")
    for origin in origins:
        fault = origin_fault(origin)
        if fault:
            raise ClientRefused(f"{origin!r} {fault}: {_ORIGIN_FORM}.")


def _check_public(client: Client) -> None:
    if not client.grant_types:
        raise ClientRefused("A client without a grant type can only introspect tokens, and needs a secret for that.")
    # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
    if "client_credentials" in client.grant_types:
        raise ClientRefused("client_credentials needs a client with a secret, and this one is public.")
    # RFC 9700 s2.2.2: refresh tokens for public clients MUST be sender-constrained or use refresh token rotation.
    if not client.policy.get("rotation", True):
        raise ClientRefused("A public client cannot go without rotation: allow rotation, or give it a secret.")

"""The rules for a client's settings. Every command and endpoint that writes a client checks them first."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from . import claim_rules, scopes, subjects
from .algorithms import ALGORITHMS, TYPS
from .claim_rules import ClaimsRefused
from .errors import ScopeRefused
from .hosts import is_canonical, is_loopback
from .models import Client
from .outgoing import form_fault
from .plain_text import is_plain

APPLICATION_TYPES = ("web", "native")
PKCE = ("required", "optional")
"""A client with `optional` may send an authorization request without a code_challenge."""
MAX_ORIGINS = 100
_MAX_NAME = 256  # characters
_MAX_PAGE = 2048  # characters
_MAX_LOGO = 16 * 1024  # characters; it is a part of every page that shows it
_ID = re.compile(r"[A-Za-z0-9][\x21\x23-\x26\x28-\x2b\x2d-\x5b\x5d-\x7e]{0,63}")
# RFC 3986 s2: a URI is composed from a limited set of characters, of US-ASCII. Lists of URIs are stored as words.
_URI = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_COMMA_AND_URI = re.compile(r",[A-Za-z][A-Za-z0-9+.-]*:")
_LOGO = re.compile(r"data:image/(png|jpeg|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?")
_USUAL_PORTS = {"https": 443, "http": 80}
# RFC 9110 s5.1: field-name = token. Without a prefix it would be a name that proxies or this server give a meaning.
_ADDRESS_HEADER = re.compile(r"x-(?!forwarded|real-ip)[a-z0-9-]{1,62}")
_ORIGIN_FORM = (
    "give scheme, host and port as a browser sends them, without a path or a slash at the end, such as "
    "https://app.example, or http://localhost:3000 (http is for loopback hosts only)"
)


class ClientRefused(ValueError):
    """The client breaks a rule; the text says what is allowed."""


def new_id(random: bytes) -> str:
    """Return the id of a new client, made from 16 random bytes."""
    return f"c_{random.hex()}"


def check(client: Client, *, grant_types: Collection[str], auth_methods: Collection[str]) -> None:
    """Raise ClientRefused if `client` breaks a rule. `grant_types` and `auth_methods` are those that the server
    supports."""
    _check_id(client.id)
    _check_name(client.name)
    for grant in sorted(client.grant_types):
        _check_one_of("grant type", grant, grant_types)
    _check_one_of("auth method", client.auth_method, auth_methods)
    _check_one_of("access_token_alg", client.access_token_alg, ALGORITHMS)
    _check_one_of("access_token_typ", client.access_token_typ, TYPS)
    _check_sign_in(client)
    _check_scope(client.scope)
    for uri in client.audiences:
        _check_absolute(uri, "audience")
    for uri in client.redirect_uris:
        _check_redirect_uri(uri, "redirect URI")
    _check_logout(client)
    _check_subjects(client)
    _check_origins(client.web_origins)
    _check_claims(client.access_token_claims, "access tokens")
    _check_claims(client.id_token_claims, "ID tokens")
    _check_address_header(client.user_address_header)
    if client.auth_method == "none":
        _check_public(client)


def _check_sign_in(client: Client) -> None:
    """Check the settings of the authorization code flow and of the pages that users see."""
    _check_one_of("id_token_alg", client.id_token_alg, ALGORITHMS)
    if client.userinfo_alg:
        _check_one_of("userinfo_alg", client.userinfo_alg, ALGORITHMS)
    _check_one_of("application_type", client.application_type, APPLICATION_TYPES)
    _check_one_of("pkce", client.pkce, PKCE)
    if "authorization_code" in client.grant_types and not client.redirect_uris:
        raise ClientRefused(
            "The grant type authorization_code requires a redirect URI. Give at least one, for example: --redirect-uri "
            "https://app.example/callback"
        )
    # RFC 9700 s2.1.1: confidential OpenID clients MAY use the nonce in place of PKCE.
    if client.pkce == "optional" and "openid" not in client.scope:
        raise ClientRefused("PKCE can be optional only for a client with the scope openid: its nonce takes the place.")
    for what in ("client_uri", "policy_uri", "tos_uri"):
        _check_page(getattr(client, what), what)
    if not (_LOGO.fullmatch(client.logo_uri) and len(client.logo_uri) <= _MAX_LOGO):
        _check_page(client.logo_uri, "logo_uri")


def origin_fault(origin: str) -> str | None:
    """Return why this is not an origin as browsers send it (RFC 6454 s6.2); None if it is. Origins are compared byte
    for byte."""
    form = _ORIGIN.fullmatch(origin)
    if form is None or not is_canonical(form[2]) or int(form[3] or 1) > 65535:
        return "is not a web origin"
    if int(form[3] or 0) == _USUAL_PORTS[form[1]]:
        return "names the default port of its scheme, which browsers leave out"
    # Fetch s3.2: anyone who can modify the page in transit would gain its access.
    return "is http on a host that is not loopback" if form[1] == "http" and not is_loopback(form[2]) else None


def _check_id(id: str) -> None:
    # RFC 6749 appendix A.1: client-id = *VSCHAR. Without spaces and quotes it can be typed in any shell.
    if not _ID.fullmatch(id):
        raise ClientRefused(
            f"The client id {id[:64]!r} is not valid. It needs 1 to 64 visible ASCII characters without spaces, "
            "quotes, commas and backslashes, and starts with a letter or digit."
        )


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME or not is_plain(name):
        raise ClientRefused("This name is not valid. It needs 1 to 256 characters without control characters.")


def _check_one_of(what: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ClientRefused(f"There is no {what} {value!r}. Allowed: {', '.join(allowed)}.")


def _check_scope(scope: tuple[str, ...]) -> None:
    try:
        parsed = scopes.listed(scope)
    except ScopeRefused as error:
        raise ClientRefused(
            f"{error} A scope is one word of visible ASCII characters without quotes and backslashes."
        ) from None
    if parsed != scope:
        raise ClientRefused("Give each scope once, as one word.")


def _check_absolute(uri: str, what: str) -> SplitResult:
    parts = _split(uri)
    # RFC 8707 s2: MUST be an absolute URI, and MUST NOT include a fragment component; RFC 6749 s3.1.2 says the same.
    if parts is None or not parts.scheme or not (parts.netloc or parts.path) or "#" in uri:
        raise ClientRefused(
            f"{uri!r} is not a valid {what}. Give an absolute URI without a fragment, like https://api.example."
        )
    if _COMMA_AND_URI.search(uri):
        raise ClientRefused(
            f"{uri!r} would be one {what} with a comma in it. Give each URI on its own, and write a comma within one "
            "as %2C."
        )
    return parts


def _split(uri: str) -> SplitResult | None:
    """Return the parts of a URI; None if it is not one."""
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises ValueError for a number that no port has
    except ValueError:
        return None
    return parts if _URI.fullmatch(uri) else None


def _check_page(uri: str, what: str) -> None:
    """Check an address that users follow or an image that they see; "" is none."""
    parts = _split(uri)
    if uri and not (parts and _is_web_page(parts) and len(uri) <= _MAX_PAGE):
        more = f", or a PNG, JPEG, WebP or SVG as a data: URL of at most {_MAX_LOGO} characters"
        raise ClientRefused(
            f"{uri[:64]!r} cannot be the {what}. Give an https URL of at most {_MAX_PAGE} characters"
            f"{more if what == 'logo_uri' else ''}."
        )


def _is_web_page(parts: SplitResult) -> bool:
    return parts.scheme in ("https", "http") and "@" not in parts.netloc and _may_be_sent_to(*_scheme_and_host(parts))


def _check_redirect_uri(uri: str, what: str) -> None:
    parts = _check_absolute(uri, what)
    if not _may_be_sent_to(*_scheme_and_host(parts)) or "@" in parts.netloc or "*" in uri:
        raise ClientRefused(
            f"{uri!r} cannot be a {what}: give https, http on a loopback host only, or an app's own scheme, "
            "which is a domain name in reverse (com.example.app:/back), without a user name or wildcard."
        )


def _check_logout(client: Client) -> None:
    for uri in client.post_logout_redirect_uris:
        _check_redirect_uri(uri, "post-logout redirect URI")
    uri = client.backchannel_logout_uri
    # Back-Channel Logout s2.2: MUST be an absolute URI, and MUST NOT include a fragment component. Which hosts may be
    # reached, and which by http, is for AUTHSERVER_FETCH_ALLOW to say.
    if uri and (fault := form_fault(uri)):
        raise ClientRefused(
            f"The back-channel logout URI {uri[:64]!r} {fault}. Give the https URL at which the application receives "
            "logout tokens, such as https://app.example/backchannel-logout."
        )


def _check_subjects(client: Client) -> None:
    _check_one_of("subject_type", client.subject_type, subjects.TYPES)
    uri = client.sector_identifier_uri
    parts = _check_absolute(uri, "sector identifier URI") if uri else None
    if parts is not None and (parts.scheme != "https" or not parts.hostname or is_loopback(parts.hostname)):
        raise ClientRefused(
            f"{uri[:64]!r} cannot be the sector identifier URI. Give an https URL: its host is the sector."
        )
    if client.subject_type == "pairwise" and not subjects.sector_of(client):
        raise ClientRefused(
            "Pairwise subjects are for one sector, and the redirect URIs do not have one https host in common. Name "
            "the sector's host in an https URL: --sector-identifier-uri https://app.example"
        )


def _scheme_and_host(parts: SplitResult) -> tuple[str, str]:
    return parts.scheme, parts.hostname or ""


def _may_be_sent_to(scheme: str, host: str) -> bool:
    if scheme in ("http", "https"):
        return is_loopback(host) or (scheme == "https" and bool(host))
    # RFC 8252 s8.4: reject any private-use URI schemes that don't contain a period. (javascript: and data: have none.)
    return "." in scheme


def _check_origins(origins: tuple[str, ...]) -> None:
    if len(origins) > MAX_ORIGINS:
        raise ClientRefused(f"A client can have at most {MAX_ORIGINS} web origins.")
    for origin in origins:
        fault = origin_fault(origin)
        if fault:
            raise ClientRefused(f"{origin!r} {fault}: {_ORIGIN_FORM}.")


def _check_claims(names: tuple[str, ...], tokens: str) -> None:
    if len(names) > claim_rules.MAX_NAMES:
        raise ClientRefused(f"A client's {tokens} can have at most {claim_rules.MAX_NAMES} claims.")
    for name in names:
        if "," in name:
            raise ClientRefused(f"{name!r} would be one claim with a comma in its name. Give each claim on its own.")
        try:
            claim_rules.check_name(name)
        except ClaimsRefused as error:
            raise ClientRefused(str(error)) from None


def _check_address_header(name: str) -> None:
    if name and not _ADDRESS_HEADER.fullmatch(name):
        raise ClientRefused(
            f"{name[:64]!r} cannot be the header of the user's address. Use a lower-case name like x-user-address: x- "
            "and at most 62 letters, digits and hyphens. Proxies write X-Forwarded-For and X-Real-IP."
        )


def _check_public(client: Client) -> None:
    if client.user_address_header:
        raise ClientRefused(
            "Anyone could name an address for a public client: --user-address-header requires a secret."
        )
    if not client.grant_types:
        raise ClientRefused("A client without a grant type can only introspect tokens, which requires a secret.")
    # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
    if "client_credentials" in client.grant_types:
        raise ClientRefused("The grant type client_credentials requires a secret, and this client is public.")
    # RFC 9700 s2.1.1: public clients MUST use PKCE.
    if client.pkce != "required":
        raise ClientRefused("A public client requires PKCE. Leave out --pkce optional, or give it a secret.")
    # RFC 9700 s2.2.2: refresh tokens for public clients MUST be sender-constrained or use refresh token rotation.
    if not client.policy.get("rotation", True):
        raise ClientRefused("A public client requires refresh-token rotation. Allow rotation, or give it a secret.")

"""Parses bytes to a frozen request: strict UTF-8, every parameter at most once, exactly one client authentication."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import field
from urllib.parse import unquote_plus

from ..accounts.request import LISTS, MAX_FIELDS
from ..domain.record import record
from ..domain.urlencoded import pairs_of
from ..pipeline.errors import Refusal


@record(frozen=True, slots=True)
class Credentials:
    """How a client identifies itself: the method's registered name, the client id, the secret ("" for none)."""

    method: str
    client_id: str
    secret: str = ""
    by_header: bool = False
    """Whether it used the Authorization header."""


@record(frozen=True, slots=True)
class ClientRequest:
    """A request to /token, /revoke or another endpoint where clients authenticate."""

    form: Mapping[str, str]
    resources: tuple[str, ...]
    credentials: Credentials
    arrived_at: int
    """When the request had arrived, in microseconds: every decision about the request uses this time."""
    network: str
    """The caller's network, for events and for the row of its authorization."""
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict, repr=False, compare=False)
    """All values of each header, by its lower-case name."""


def parse(body: bytes, headers: Mapping[str, Sequence[str]], *, arrived_at: int, network: str) -> ClientRequest:
    """Parse a form and its client authentication. `headers` holds all values of each header, by its lower-case name.
    Raises Refusal."""
    form, resources = parse_form(body)
    credentials = _credentials(form, headers.get("authorization", ()))
    return ClientRequest(form, resources, credentials, arrived_at, network, headers)


def parse_form(body: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the parameters that have a value, and the resources. Raises Refusal."""
    try:
        pairs = pairs_of(body.decode(), limit=MAX_FIELDS)
    except ValueError as error:
        raise Refusal("invalid_request", "The body is not UTF-8, or has too many fields.") from error
    form: dict[str, str] = {}  # not `dict[str, str]()`, which takes a microsecond longer
    resources: dict[str, None] = {}
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise Refusal("invalid_request", "A parameter contains a NUL character.")
        # RFC 8707 s2: `resource` alone may be repeated. Auth0's clients say `audience` (as RFC 8693 s2.1 does, where
        # both together name several targets).
        if name in LISTS and value:
            resources[value] = None
        # RFC 6749 s3.2: request and response parameters MUST NOT be included more than once.
        if name in form and name != "resource":
            raise Refusal("invalid_request", "A parameter is repeated.")
        form[name] = value
    form.pop("resource", None)
    # RFC 6749 s3.2: parameters sent without a value MUST be treated as if they were omitted.
    return {name: value for name, value in form.items() if value}, tuple(resources)


def _credentials(form: Mapping[str, str], authorization: Sequence[str]) -> Credentials:
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if len(authorization) > 1:
        raise Refusal("invalid_request", "Two Authorization headers.")
    if authorization and _is_client_authentication(authorization[0], client_id):
        basic = _basic(authorization[0])
        # RFC 6749 s2.3: the client MUST NOT use more than one authentication method in each request.
        if secret is not None or client_id not in (None, basic.client_id):
            raise Refusal("invalid_request", "Two client authentications, or two client ids.")
        return basic
    if client_id is None:
        raise Refusal("invalid_client", "No client id and no client authentication.", 401)
    return Credentials("none", client_id) if secret is None else Credentials("client_secret_post", client_id, secret)


def _is_client_authentication(authorization: str, client_id: str | None) -> bool:
    """Whether the header authenticates the client. If the form has a client id, only Basic does: many programs send
    their access token in this header."""
    return client_id is None or authorization.partition(" ")[0].lower() == "basic"


def _basic(authorization: str) -> Credentials:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise Refusal("invalid_client", "No client id, and an Authorization header that is not Basic.", 401)
    try:
        # RFC 9110 s11.4: auth-scheme [ 1*SP ( token68 ...
        credentials = credentials.lstrip(" ")
        client_id, colon, secret = b64decode(credentials, validate=True).decode().partition(":")
        # RFC 6749 s2.3.1: encoded using the "application/x-www-form-urlencoded" encoding algorithm per Appendix B.
        client_id, secret = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise Refusal("invalid_client", "The Authorization header cannot be decoded.", 401) from error
    if not client_id or not colon or "\0" in client_id + secret:
        raise Refusal("invalid_client", "The Authorization header has no client id and secret.", 401)
    # RFC 6749 s2.3.1: the client MAY omit the parameter if the client secret is an empty string.
    return Credentials("client_secret_basic" if secret else "none", client_id, secret, by_header=True)

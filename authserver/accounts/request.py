"""A browser's request: its parameters and its two cookies."""

import hmac
from dataclasses import field
from hashlib import sha256

from ..domain import base64url, device
from ..domain.authorization_request import Parameters
from ..domain.record import record
from ..domain.urlencoded import pairs_of
from ..pipeline.errors import Refusal

MAX_FIELDS = 64
_CSRF = b"authserver csrf v1"
_MAC_LENGTH = 43  # characters
LISTS = ("resource", "audience")
"""The parameters that may be repeated (RFC 8707 s2). Auth0's clients say `audience`."""
_ECHOED = "state"
"""The parameter that goes back as it came, whatever its bytes are."""


@record(frozen=True, slots=True)
class BrowserRequest:
    parameters: Parameters
    arrived_at: int
    """When the request had arrived, in microseconds: every decision about the request uses this time."""
    network: str
    browser: str | None = field(repr=False)
    """The secret in the cookie of this browser, which outlives sessions. Interactions are bound to it."""
    session: str | None = field(repr=False)
    """The secret in the cookie of the session."""
    interaction_id: bytes | None = None
    user_agent: str = field(default="", repr=False)
    is_same_origin: bool = False
    """Whether the browser says that a page of ours posted the form."""
    accept_language: str = ""
    """The languages that the browser prefers (RFC 9110 s12.5.4)."""

    @property
    def device(self) -> str:
        """What the browser says it is (domain/device.py)."""
        return device.described(self.user_agent)

    def value(self, name: str) -> str:
        return self.parameters.values.get(name, "")

    @property
    def shown(self) -> str:
        """What the page of the posted form showed, as given to `csrf_token`."""
        return self.value("csrf")[_MAC_LENGTH:]


def csrf_token(browser: str, shown: str = "") -> str:
    """Return the token for a form that the browser with this secret is shown. It is made from the secret, so nothing is
    stored. `shown` is a digest of what the form's page shows, if the form acts for nothing else."""
    mac = hmac.digest(browser.encode(), _CSRF + shown.encode(errors="replace"), "sha256")
    return base64url.encode(mac) + shown


def parse_parameters(encoded: bytes) -> Parameters:
    """Parse a query string or a form. Raises Refusal for too many parameters, and for a NUL. Other errors are only
    noted, because the client may have to be told."""
    values: dict[str, str] = {}  # not `dict[str, str]()`, which takes a microsecond longer
    resources: dict[str, None] = {}
    sent: set[str] = set()
    repeated: set[str] = set()
    malformed: set[str] = set()
    for name, value in _pairs(encoded.decode(errors="surrogateescape")):
        if not (name.isascii() and value.isascii()) and name != _ECHOED and not _is_utf8(name + value):
            malformed.add(name)
        if name in LISTS:
            resources |= {value: None} if value else {}
        elif name in sent:
            repeated.add(name)
        else:
            sent.add(name)
            # RFC 6749 s3.1: parameters sent without a value MUST be treated as if they were omitted. An empty state is
            # echoed.
            if value or name == _ECHOED:
                values[name] = value
    for name in repeated | malformed:
        values.pop(name, None)
    return Parameters(values, tuple(resources), frozenset(repeated), frozenset(malformed), frozenset(sent))


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        pairs = pairs_of(text, limit=MAX_FIELDS, errors="surrogateescape")
    except ValueError as error:
        raise Refusal("invalid_request", "There are too many parameters.") from error
    if "\0" in text or "%00" in text:
        raise Refusal("invalid_request", "A parameter contains a NUL character.")
    return pairs


def hashed(secret: str | None) -> bytes | None:
    """Return the hash by which a cookie's secret is stored."""
    return sha256(secret.encode()).digest() if secret else None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

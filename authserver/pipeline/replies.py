"""The types of responses that handlers return, JSON for clients and pages for browsers; `web/` renders them."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..domain.record import record


@record(frozen=True, slots=True)
class Reply:
    """A JSON response to a client; `body` None is an empty response."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Signed tokens by their names, which are members of the response, too."""
    jwt: str = ""
    """A signed JWT to send in place of `body`; "" for none."""


@record(frozen=True, slots=True)
class ClientShown:
    """What a page shows about the client, in RFC 7591's words; "" for what is not registered."""

    name: str
    uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""


@record(frozen=True, slots=True)
class AskedFor:
    """A scope, a claim or a resource on the consent page; `is_new` if the user has not allowed it to this client
    before."""

    name: str
    is_new: bool = True


@record(frozen=True, slots=True)
class Cookie:
    value: str = field(repr=False)
    max_age: int | None = None
    """Seconds for which the browser keeps it; None until it is closed."""


@record(frozen=True, slots=True)
class Page:
    """A page of ours. `values` are what the template gets; docs/how-to/pages.md lists them for each."""

    name: str
    """The template's, without `.html`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    ui_locales: str = ""
    """The languages that the client asked for, best first (OpenID Connect Core s3.1.2.1); "" leaves it to the
    browser."""
    retry_after: int = 0
    """Seconds; 0 is not sent."""
    cookies: Mapping[str, Cookie | None] = field(default_factory=dict)
    """The cookies that change: by name, None to delete one."""
    has_secret_address: bool = False
    """Whether its address is a link that only its reader may know."""
    closes: bool = False
    """Whether the connection is closed after it: the request was not read to its end."""


@record(frozen=True, slots=True)
class Redirect:
    """A response to the client, of an authorization or of a sign-out: `params` go to its validated URI."""

    uri: str
    params: tuple[tuple[str, str], ...]
    mode: str = "query"
    """The response mode: `query` or `form_post`."""
    after_form: bool = False
    """Whether a form of ours led here. Browsers hold a page's `form-action` against every redirect that follows its
    form, so this response is a page that then opens the client's URI."""
    client: ClientShown | None = None
    ui_locales: str = ""
    cookies: Mapping[str, Cookie | None] = field(default_factory=dict)


@record(frozen=True, slots=True)
class Download:
    """A JSON file that the browser saves under this name."""

    name: str
    content: Mapping[str, Any]


@record(frozen=True, slots=True)
class GoTo:
    """A redirect to `path`, below the issuer, and the cookies that change: by name, None to delete one."""

    path: str
    cookies: Mapping[str, Cookie | None] = field(default_factory=dict)


BrowserAnswer = Page | Redirect | GoTo | Download

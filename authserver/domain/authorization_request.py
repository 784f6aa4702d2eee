"""Reads an authorization request from its parameters (RFC 6749 s4.1.1, OpenID Connect Core s3.1.2.1).

It is read again at every step of an interaction, so that the current registration of the client applies.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from . import base64url, claims_parameter, pkce, scopes, standard_claims, strict_json
from .authentication import ACR_VALUES
from .claims_parameter import ClaimsParameter, ClaimsParameterRefused
from .errors import RequestRefused, ScopeRefused
from .models import Client
from .record import record

MAX_VALUE = 2048
"""Bytes of a single value, in UTF-8 or as they came."""
RESPONSE_TYPES = ("code",)
RESPONSE_MODES = ("query", "form_post")
NAMES = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "claims"),
        *("code_challenge", "code_challenge_method", "prompt", "max_age", "login_hint", "id_token_hint", "ui_locales"),
    }
)
"""The parameters that an accepted request is read from. Anything else that was sent is not kept: it may be a secret in
the wrong place."""
PROMPTS = frozenset({"none", "login", "consent", "select_account"})
CREATE = "create"
"""The prompt that asks for the sign-up page, if there is one (Initiating User Registration via OpenID Connect s4)."""
_UNSUPPORTED = ("request", "request_uri", "registration")
_READ = NAMES.union(_UNSUPPORTED)
_MAX_REQUEST_OBJECT = 16384  # characters
_CHANGED_IN_FORMS = re.compile(r"[\udc80-\udcff]|\r(?!\n)|(?<!\r)\n")
_SECONDS = re.compile(r"[0-9]{1,10}")
_LONG = ("state", "nonce", "login_hint", "ui_locales")
"""The parameters whose length is limited here."""
_NO_CLAIMS = ClaimsParameter()


@record(frozen=True, slots=True)
class Parameters:
    """The parameters as they came, without those that have no value."""

    values: Mapping[str, str]
    resources: tuple[str, ...] = ()
    repeated: frozenset[str] = frozenset()
    """Names of parameters that were sent more than once. `values` does not contain them."""
    malformed: frozenset[str] = frozenset()
    """Names of parameters whose value is not UTF-8. `values` does not contain them, except for `state`, which is
    returned as it came."""
    sent: frozenset[str] = frozenset()
    """Names of all parameters that were sent, of those without a value, too. It lacks `resource` and `audience`."""


@record(frozen=True, slots=True)
class ResponseTarget:
    """Where the response goes, and how: what errors need, too."""

    redirect_uri: str
    mode: str
    state: str | None


@record(frozen=True, slots=True)
class AuthorizationRequest:
    target: ResponseTarget
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    code_challenge: str
    nonce: str
    prompts: frozenset[str]
    max_age: int | None
    login_hint: str
    id_token_hint: str
    claims_text: str
    """The `claims` parameter as it was sent."""
    claims: ClaimsParameter
    subjects: frozenset[str] | None = None
    """The only users whom the client accepts; None for anybody."""

    def accepts(self, user_id: str) -> bool:
        """Whether the client accepts this user."""
        return self.subjects is None or user_id in self.subjects

    @property
    def claim_names(self) -> frozenset[str]:
        """The names of the claims that it asks for beyond those of its scope."""
        claims = self.claims
        if not claims.userinfo and not claims.id_token:  # as in most requests
            return frozenset()
        return frozenset({*claims.userinfo, *claims.id_token}.difference(standard_claims.of_scope(self.scope)))


def target(parameters: Parameters, redirect_uri: str) -> ResponseTarget:
    """Return the target of the response to a request whose redirect URI is registered."""
    return ResponseTarget(redirect_uri, _response_mode(parameters.values), parameters.values.get("state"))


def read(parameters: Parameters, target: ResponseTarget, client: Client) -> AuthorizationRequest:
    """Read a request of `client`, whose redirect URI is registered. Raises RequestRefused."""
    values = parameters.values
    _check_form(parameters)
    _check_response(values, target)
    claims = _claims(values)
    return AuthorizationRequest(
        target=target,
        scope=_scope(values, client),
        resources=_resources(parameters.resources, client),
        code_challenge=_code_challenge(values, client),
        nonce=values.get("nonce", ""),
        prompts=_prompts(values),
        max_age=_max_age(values),
        login_hint=values.get("login_hint", ""),
        id_token_hint=values.get("id_token_hint", ""),
        claims_text=values.get("claims", ""),
        claims=claims,
        subjects=frozenset(claims.subjects) or None,
    )


def _response_mode(values: Mapping[str, str]) -> str:
    """Errors travel by the same mode as success, so it is found first. An unknown mode is an error by query."""
    mode = values.get("response_mode", "")
    if not mode and "request" in values:
        mode = _mode_in_request_object(values["request"])
    return mode if mode in RESPONSE_MODES else "query"


def _mode_in_request_object(text: str) -> str:
    """Return the response mode in a request object. Nothing else is read from it: request objects are refused."""
    segments = text.split(".")
    if len(segments) not in (3, 5) or len(text) > _MAX_REQUEST_OBJECT:
        return ""
    try:
        mode = strict_json.parse(base64url.decode(segments[1].encode())).get("response_mode")
    except ValueError:
        return ""
    return mode if isinstance(mode, str) else ""


def _check_form(parameters: Parameters) -> None:
    # RFC 6749 s3.1: request and response parameters MUST NOT be included more than once.
    if parameters.repeated:
        raise RequestRefused("invalid_request", "A parameter is repeated.")
    # RFC 6749 s3.1: MUST ignore unrecognized request parameters.
    if not parameters.malformed.isdisjoint(_READ):
        raise RequestRefused("invalid_request", "A parameter is not UTF-8.")
    for name in _UNSUPPORTED:
        # OpenID Connect Core s3.1.2.6: request_not_supported, request_uri_not_supported, registration_not_supported.
        if name in parameters.values:
            raise RequestRefused(f"{name}_not_supported", f"The parameter {name} is not supported.")
    for name in _LONG:
        if name in parameters.values and _is_long(parameters.values[name]):
            raise RequestRefused("invalid_request", "A value exceeds 2048 bytes.")


def _is_long(value: str) -> bool:
    is_short = 4 * len(value) <= MAX_VALUE  # UTF-8 has no character of more than four bytes
    return not is_short and len(value.encode(errors="surrogateescape")) > MAX_VALUE


def _check_response(values: Mapping[str, str], target: ResponseTarget) -> None:
    if "response_type" not in values:
        raise RequestRefused("invalid_request", "There is no response_type.")
    if values["response_type"] not in RESPONSE_TYPES:
        raise RequestRefused("unsupported_response_type", "The response_type is not supported.")
    if values.get("response_mode", target.mode) != target.mode:
        raise RequestRefused("invalid_request", "The response_mode is not supported.")


def narrowed(subjects: frozenset[str] | None, subject: str) -> frozenset[str]:
    """Return which of the subjects are `subject`."""
    return frozenset({subject}) if subjects is None else subjects & {subject}


def is_possible(target: ResponseTarget) -> bool:
    """Whether a response can be sent like that, with its state as it came: a page of ours can post UTF-8 to http and
    https only (OAuth 2.0 Form Post Response Mode), and browsers make every line break in a form a CR LF."""
    if target.mode != "form_post":
        return True
    is_kept = not _CHANGED_IN_FORMS.search(target.state or "")
    return is_kept and urlsplit(target.redirect_uri).scheme in ("https", "http")


def _scope(values: Mapping[str, str], client: Client) -> tuple[str, ...]:
    try:
        return scopes.narrow(values.get("scope"), client.scope, implied=scopes.implied(client.scope))
    except ScopeRefused as error:
        raise RequestRefused("invalid_scope", str(error)) from error


def _resources(asked: tuple[str, ...], client: Client) -> tuple[str, ...]:
    # RFC 8707 s2: if the AS is unwilling or unable to ... it SHOULD use invalid_target.
    if asked and not set(asked) <= set(client.audiences):
        raise RequestRefused("invalid_target", "A resource is unknown.")
    return asked


def _code_challenge(values: Mapping[str, str], client: Client) -> str:
    challenge, method = values.get("code_challenge", ""), values.get("code_challenge_method", "plain")
    is_exempt = client.pkce == "optional" and client.auth_method != "none"
    if is_exempt and not challenge and "code_challenge_method" not in values:
        return ""
    # RFC 7636 s4.3: defaults to "plain" if not present in the request. RFC 9700 s2.1.1: public clients MUST use PKCE,
    # and S256 is the only method that does not expose the verifier.
    if method not in pkce.METHODS or not pkce.is_challenge(challenge):
        raise RequestRefused("invalid_request", "PKCE with S256 is required.")
    return challenge


def _claims(values: Mapping[str, str]) -> ClaimsParameter:
    if "claims" not in values:
        return _NO_CLAIMS
    try:
        claims = claims_parameter.parse(values["claims"])
    except ClaimsParameterRefused as error:
        raise RequestRefused("invalid_request", f"The parameter claims is malformed: {error}.") from error
    # OpenID Connect Core s5.5.1.1: if this is an Essential Claim and the requirement cannot be met, then the
    # Authorization Server MUST treat that outcome as a failed authentication attempt.
    if claims.essential_acr and not set(claims.essential_acr) & set(ACR_VALUES):
        raise RequestRefused("unmet_authentication_requirements", "An essential acr cannot be reached here.")
    return claims


def _prompts(values: Mapping[str, str]) -> frozenset[str]:
    if "prompt" not in values:
        return frozenset()
    words = frozenset(values["prompt"].split(" ")) - {""}
    # OpenID Connect Core s3.1.2.1: if this parameter contains none with any other value, an error is returned.
    if not words <= PROMPTS | {CREATE} or ("none" in words and len(words) > 1):
        raise RequestRefused("invalid_request", "The prompt is unknown, or combines none with another.")
    return words


def _max_age(values: Mapping[str, str]) -> int | None:
    text = values.get("max_age")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise RequestRefused("invalid_request", "The max_age is not a number of seconds.")
    return int(text)

"""Turns the reason of a refused request, a text with times and numbers in it, into one of a few codes."""

import re

_BEGINNINGS = (
    *("account must wait", "network must wait"),
    *("no such user", "wrong password", "weak password", "user disabled", "user deleted", "password changed"),
    *("no mail can be sent to the address", "username refused"),
    *("no such client", "client disabled", "client deleted", "wrong client secret", "client secret expired"),
    *("registered for", "client not registered for", "unsupported grant type"),
    *("a public client cannot introspect", "a public client cannot use client_credentials"),
    *("not a refresh token", "forged refresh token", "refresh token of another client", "token of another client"),
    *("no such authorization", "reuse of generation", "generations used up", "idle for", "reached its absolute end"),
    *("not an access token of this server", "access token for another audience", "access token has expired"),
    *("access token was revoked", "access token without the scope openid"),
    *("authorization ends within a second", "every granted scope was withdrawn", "no token"),
    *("revoked by reuse", "revoked by its client", "revoked by", "ended by the limit of authorizations"),
    *("ended because the user was disabled", "ended by a change of the password", "ended by a restore"),
    *("ended because the refresh-token keys were revoked", "ended by an operator"),
    *("ended with the browser session", "ended because its code was used again"),
    "ended because its user took back the client's access",
    *("no such code", "code of another client", "code sent twice", "code used again", "code expired"),
    *("no such device code", "device code of another client", "device code expired", "the device polls too often"),
    *("the user denied it", "the user has not answered yet"),
    *("not a user code", "no such user code", "user code used already", "user code expired"),
    *("code_verifier missing", "wrong code_verifier", "no key signs"),
)
_ERRORS = (
    *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"),
    *("invalid_scope", "invalid_target", "unsupported_response_type", "access_denied", "login_required"),
    *("consent_required", "account_selection_required", "request_not_supported", "request_uri_not_supported"),
    *("registration_not_supported", "invalid_redirect_uri", "forged", "expired", "completed", "other_browser"),
    *("link", "link_user", "no_mail", "no_sign_up", "cookies", "unmet_authentication_requirements", "invalid_token"),
    *("insufficient_scope", "other"),
)
"""The codes of reasons that are not in _BEGINNINGS: for these, the error code says enough."""
_BEGINNING = re.compile("|".join(map(re.escape, sorted(_BEGINNINGS, key=len, reverse=True))))


def _code(beginning: str) -> str:
    return re.sub("[ -]", "_", beginning)


REASONS = (*map(_code, _BEGINNINGS), *_ERRORS)


def reason_code(error: str, reason: str) -> str:
    """Return the code for the error code and the reason of a refused request: one of REASONS."""
    match = _BEGINNING.match(reason)
    if match is not None:
        return _code(match[0])
    return error if error in _ERRORS else "other"

"""The error descriptions: one constant sentence per error code (RFC 6749 s5.2), which never repeats input.

The few sentences that say more than their code are where they are decided: client authentication in `client_auth`,
unknown addresses in `web/routes`, malformed HTTP in `serving/connection`.
"""

SENTENCES = {
    "invalid_request": "The request is malformed: a parameter is missing, repeated or invalid.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The credentials or the token are invalid, expired, revoked or another client's.",
    "unauthorized_client": "This client may not use this grant type.",
    "unsupported_grant_type": "This grant type is not supported.",
    "invalid_scope": "The requested scope is malformed or exceeds what may be granted.",
    "temporarily_unavailable": "Too many attempts. Try again after the seconds in Retry-After.",
    "invalid_redirect_uri": "The redirect URI is missing, or the client did not register it.",
    "unsupported_response_type": "This response type is not supported.",
    "access_denied": "The user did not agree.",
    "authorization_pending": "The user has not answered yet. Ask again after the interval.",
    "slow_down": "The user has not answered yet. Wait 5 seconds longer than before, each time.",
    "expired_token": "The user did not answer in time. Begin again.",
    "login_required": "The user has to sign in.",
    "consent_required": "The user has to agree.",
    "account_selection_required": "The user has to choose an account.",
    "unmet_authentication_requirements": "The user cannot be authenticated in the way that was asked for.",
    "request_not_supported": "Request objects are not supported.",
    "request_uri_not_supported": "Request objects by reference are not supported.",
    "registration_not_supported": "Registration within a request is not supported.",
    "invalid_target": "The requested resource is unknown or was not granted.",
}

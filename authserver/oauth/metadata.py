"""The server's metadata, derived from what is registered, for OAuth (RFC 8414) and OpenID Connect (Discovery s3)."""

from collections.abc import Iterable
from typing import Any

from ..domain import pkce, subjects
from ..domain.algorithms import ALGORITHMS
from ..domain.authentication import ACR_VALUES
from ..domain.authorization_request import CREATE, PROMPTS, RESPONSE_MODES, RESPONSE_TYPES
from ..domain.standard_claims import NAMES, SCOPES
from . import device
from .client_auth import METHODS
from .grants import GRANTS
from .logout.logout import PATH as LOGOUT

_OF_ID_TOKENS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash")


def server_metadata(issuer: str, ui_locales: Iterable[str], *, sign_up: bool) -> dict[str, Any]:
    """Return the metadata of the server with this issuer URL (RFC 8414 s2). `ui_locales` are the languages of its
    pages, and `sign_up` says whether there is one to create an account."""
    # RFC 8414 s2 allows members that it does not define. No registry knows this one, so it is nowhere else.
    openid = openid_configuration(issuer, ui_locales, sign_up=sign_up)
    return openid | {"access_token_signing_alg_values_supported": list(ALGORITHMS)}


def openid_configuration(issuer: str, ui_locales: Iterable[str], *, sign_up: bool) -> dict[str, Any]:
    """Return the metadata of the OpenID Provider with this issuer URL (OpenID Connect Discovery s3)."""
    return _of_endpoints(issuer) | _of_sign_in(ui_locales, sign_up=sign_up) | _of_id_tokens()


def _of_endpoints(issuer: str) -> dict[str, Any]:
    methods = list(METHODS)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "device_authorization_endpoint": f"{issuer}{device.AUTHORIZATION_PATH}",
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": methods,
        "userinfo_endpoint": f"{issuer}/userinfo",
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": f"{issuer}/introspect",
        # RFC 7662 s2.1: MUST also require some form of authorization, so public clients cannot use it.
        "introspection_endpoint_auth_methods_supported": [method for method in methods if method != "none"],
        "end_session_endpoint": f"{issuer}{LOGOUT}",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
    }


def _of_sign_in(ui_locales: Iterable[str], *, sign_up: bool) -> dict[str, Any]:
    return {
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(RESPONSE_MODES),
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": list(pkce.METHODS),
        # RFC 9207 s3: indicating whether the authorization server provides the iss parameter.
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": sorted(PROMPTS | ({CREATE} if sign_up else set())),
        "acr_values_supported": list(ACR_VALUES),
        "ui_locales_supported": list(ui_locales),
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        # OpenID Connect Discovery s3: if omitted, the default value is true.
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        # Back-Channel Logout s2.1: whether the OP can pass a sid Claim in the Logout Token.
        "backchannel_logout_session_supported": True,
    }


def _of_id_tokens() -> dict[str, Any]:
    return {
        "subject_types_supported": list(subjects.TYPES),
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ALGORITHMS),
        "claim_types_supported": ["normal"],
        "claims_supported": [*_OF_ID_TOKENS, *NAMES],
    }

"""The server's metadata (RFC 8414), derived from what is registered."""

from typing import Any

from ..domain.algorithms import ALGORITHMS
from .client_auth import METHODS
from .grants import GRANTS


def document(issuer: str) -> dict[str, Any]:
    """Return the metadata of the server with this issuer URL."""
    methods = list(METHODS)
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/token",
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": f"{issuer}/revoke",
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint": f"{issuer}/introspect",
        # RFC 7662 s2.1: MUST also require some form of authorization, so public clients cannot use it.
        "introspection_endpoint_auth_methods_supported": [method for method in methods if method != "none"],
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        # RFC 8414 s2 has no member for this and allows others; clients choose with `client create --access-token-alg`.
        "access_token_signing_alg_values_supported": list(ALGORITHMS),
        # RFC 8414 s2: REQUIRED. There is no authorization endpoint, so there is no response type.
        "response_types_supported": [],
    }

"""How a user was authenticated, as ID tokens say it (OpenID Connect Core s2)."""

from collections.abc import Sequence

PASSWORD = ("pwd",)
"""`amr` of a sign-in with a password (RFC 8176 s2)."""
_BY_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105
ACR_VALUES = (_BY_PASSWORD,)
"""Every `acr` that can be reached here, the weakest first. OpenID Connect Core s2: an absolute URI or an RFC 6711
registered name SHOULD be used as the acr value."""


def acr(amr: Sequence[str]) -> str:
    """Return the authentication context class that these methods reach: one of ACR_VALUES; "" for no method."""
    return _BY_PASSWORD if "pwd" in amr else ""

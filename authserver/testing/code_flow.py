"""A client's side of the authorization code flow: the request, and the form that redeems the code (RFC 6749 s4.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode, urlsplit

from .. import system
from ..domain import base64url
from .errors import ErrorResponse


@dataclass(frozen=True)
class CodeFlow:
    issuer: str
    parameters: Mapping[str, str]
    verifier: str

    @classmethod
    def begin(cls, issuer: str, client_id: str, **parameters: str) -> "CodeFlow":
        """Begin a flow with PKCE. `parameters` are added to the authorization request, and replace its own of the same
        name."""
        verifier = system.new_secret()
        usual = {
            "response_type": "code",
            "client_id": client_id,
            "state": system.new_secret(),
            "nonce": system.new_secret(),
            "code_challenge": base64url.encode(sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return cls(issuer, usual | parameters, verifier)

    @property
    def url(self) -> str:
        """The authorization URL, which a browser opens."""
        return f"{self.issuer}/authorize?{urlencode(self.parameters)}"

    def redemption(self, callback: str) -> dict[str, str]:
        """Return the form for /token, from the URL to which the browser was sent back. Raises ErrorResponse."""
        response = dict(parse_qsl(urlsplit(callback).query, keep_blank_values=True))
        if "error" in response:
            raise ErrorResponse(302, response)
        # RFC 6749 s10.12: clients MUST implement CSRF protection for their redirection URI. RFC 9207 s2.4: clients MUST
        # compare the iss parameter with the issuer to which they sent the request.
        if (response.get("state"), response.get("iss")) != (self.parameters["state"], self.issuer):
            raise ValueError("The response is not for this request.")
        return {
            "grant_type": "authorization_code",
            "code": response["code"],
            "redirect_uri": self.parameters["redirect_uri"],
            "code_verifier": self.verifier,
        }

"""grant_type=client_credentials (RFC 6749 s4.4): a client's token of its own."""

from authlib.oauth2.rfc6749 import grants

from ..errors import UnauthorizedClientError, because
from ..grant import Decision, Grant


class ClientCredentialsGrant(Grant, grants.ClientCredentialsGrant):
    def check_client(self) -> None:
        super().check_client()
        # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
        if self.client.auth_method == "none":
            raise because(UnauthorizedClientError(), "a public client cannot use client_credentials")

    def create_token_response(self) -> Decision:
        # RFC 6749 s4.4.3: a refresh token SHOULD NOT be included.
        return self.access_token(self.narrow(self.client.scope))

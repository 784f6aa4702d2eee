"""grant_type=client_credentials (RFC 6749 s4.4): a client gets a token for itself."""

from authlib.oauth2.rfc6749 import grants

from ...pipeline.errors import Refusal
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ..grant import Grant


class ClientCredentialsGrant(Grant, grants.ClientCredentialsGrant):
    def check_client(self) -> None:
        super().check_client()
        # RFC 6749 s4.4: the client credentials grant type MUST only be used by confidential clients.
        if self.client.auth_method == "none":
            raise Refusal("unauthorized_client", "a public client cannot use client_credentials")

    def issue(self) -> Decision[Reply]:
        # RFC 6749 s4.4.3: a refresh token SHOULD NOT be included.
        return self.token_response(self.first_scope())

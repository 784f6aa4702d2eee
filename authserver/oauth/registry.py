"""Authlib's registry of grants: it picks the handler of a token request by its grant_type (RFC 6749 s4.5)."""

from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import UnsupportedGrantTypeError

from ..domain.models import Client
from ..pipeline.attempt import Attempt
from ..pipeline.errors import Refusal
from ..pipeline.handler import Services
from .authlib_request import AuthlibRequest
from .client_handler import ClientHandler
from .grants import GRANTS
from .grants.client_credentials import ClientCredentialsGrant
from .grants.refresh_token import RefreshTokenGrant
from .request import ClientRequest

_FREQUENT = (ClientCredentialsGrant, RefreshTokenGrant)


class GrantRegistry(AuthorizationServer):
    def __init__(self) -> None:
        super().__init__()
        # Authlib asks each grant in turn whether it is the one, which takes a microsecond.
        for grant in sorted(GRANTS, key=lambda grant: grant not in _FREQUENT):
            self.register_grant(grant)

    def __call__(self, attempt: Attempt[ClientRequest], services: Services) -> ClientHandler:
        try:
            handler: ClientHandler = self.get_token_grant(AuthlibRequest(attempt, services))
        except UnsupportedGrantTypeError:
            return UnsupportedGrant(attempt, services)
        return handler


class UnsupportedGrant(ClientHandler):
    """Refuses the request, and looks the client up so that the log names it; the client need not authenticate."""

    def accept_client(self, client: Client | None) -> None:
        pass

    def check_client(self) -> None:
        raise Refusal("unsupported_grant_type", "unsupported grant type")

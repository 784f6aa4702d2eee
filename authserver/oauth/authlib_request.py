"""Adapts an attempt to the request class of Authlib's grants."""

from collections.abc import Mapping

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from ..pipeline.attempt import Attempt
from ..pipeline.handler import Services
from .request import ClientRequest

_URI = "https://authserver.invalid/token"
"""Authlib requires https in each request's URI. The real URI is not used: a proxy may have terminated TLS."""


class AuthlibRequest(OAuth2Request):
    def __init__(self, attempt: Attempt[ClientRequest], services: Services) -> None:
        """Not by super().__init__, which reads the environment each time: its values are attributes of the class."""
        self.payload = BasicOAuth2Payload(attempt.request.form)
        self.attempt, self.services = attempt, services

    @property
    def form(self) -> Mapping[str, str]:
        form: Mapping[str, str] = self.payload.data
        return form


for _name, _value in vars(OAuth2Request("POST", _URI)).items():
    setattr(AuthlibRequest, _name, _value)

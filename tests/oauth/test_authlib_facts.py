"""What our grants lean on in Authlib 1.9.9: should a new version change one of these, it is seen here first."""

import pytest
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc6749.errors import (
    InsecureTransportError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc6749.grants.base import TokenEndpointMixin

from authserver.domain.elapsed import Elapsed
from authserver.domain.models import Client
from authserver.domain.outages import Outages
from authserver.domain.timeline import Stretch, Timeline
from authserver.oauth.client_auth import METHODS, AuthlibClient
from authserver.oauth.errors import SENTENCES
from authserver.oauth.grant import Grant
from authserver.oauth.grants import GRANTS
from authserver.oauth.request import Credentials, TokenRequest, Walk
from authserver.oauth.road import Road


def walk(**form):
    request = TokenRequest(form, (), Credentials("none", "app"), arrived_at=0, network="")
    return Walk(request, 0, Elapsed(Timeline((Stretch(0),), 0), Outages()))


class Server:
    """As much of a server as Authlib's grants ask for."""

    def __init__(self, *grant_types):
        self.client = AuthlibClient(Client("app", "App", "none", frozenset(grant_types), ("read",)))

    def authenticate_client(self, request, methods, endpoint="token"):
        return self.client

    def send_signal(self, *args, **kwargs):
        pass

    def validate_requested_scope(self, scope):
        pass


def test_the_refresh_grant_sets_request_client_before_it_calls_our_hook():
    class Stock(grants.RefreshTokenGrant):
        def authenticate_refresh_token(self, text):
            seen.append((text, self.request.client))

    seen, server = [], Server("refresh_token")
    with pytest.raises(InvalidGrantError):  # a hook that returns nothing refuses
        Stock(walk(refresh_token="rt"), server).validate_token_request()
    assert seen == [("rt", server.client)]


def test_the_password_grant_sets_request_client_only_after_our_hook():
    class Stock(grants.ResourceOwnerPasswordCredentialsGrant):
        def authenticate_user(self, username, password):
            seen.append((username, password, self.request.client))
            return "user"

    seen, server = [], Server("password")
    grant = Stock(walk(username="ada", password="pw"), server)
    grant.validate_token_request()
    assert seen == [("ada", "pw", None)]
    assert (grant.request.client, grant.request.user) == (server.client, "user")


def test_a_password_hook_that_returns_nothing_would_be_invalid_request():
    """So ours raises invalid_grant itself (RFC 6749 s5.2)."""

    class Stock(grants.ResourceOwnerPasswordCredentialsGrant):
        def authenticate_user(self, username, password):
            return None

    with pytest.raises(InvalidRequestError):
        Stock(walk(username="ada", password="pw"), Server("password")).validate_token_request()


def test_the_refresh_hook_runs_before_the_scope_is_looked_at():
    """So reuse is seen whatever scope is asked for."""

    class Credential:
        def check_client(self, client):
            return True

        def get_scope(self):
            return "read"

    class Stock(grants.RefreshTokenGrant):
        def authenticate_refresh_token(self, text):
            seen.append(text)
            return Credential()

    seen = []
    with pytest.raises(InvalidScopeError):
        Stock(walk(refresh_token="rt", scope="admin"), Server("refresh_token")).validate_token_request()
    assert seen == ["rt"]


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.GRANT_TYPE)
def test_every_grant_lets_authlib_validate_and_answers_itself(grant):
    (stock,) = [base for base in grant.__mro__ if base.__module__.startswith("authlib") and "GRANT_TYPE" in vars(base)][
        :1
    ]
    assert issubclass(grant, Grant)
    assert grant.validate_token_request is stock.validate_token_request
    assert "create_token_response" in vars(grant)
    assert "save_token" not in vars(grant)
    assert grant.check_token_endpoint.__func__ is TokenEndpointMixin.check_token_endpoint.__func__


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.GRANT_TYPE)
def test_validation_refuses_a_client_that_is_not_registered_for_the_grant(grant):
    made = grant(walk(username="a", password="b", refresh_token="c"), Server())
    with pytest.raises(UnauthorizedClientError):
        made.validate_token_request()


@pytest.fixture
def road():
    return Road(
        database=None, clients=None, tools=None, reload_keys=None, sign_aside=None, clock=None, follow_clock=None
    )


def test_the_registry_picks_the_one_grant_of_the_grant_type_anew_for_each_request(road):
    for grant in GRANTS:
        request = walk(grant_type=grant.GRANT_TYPE)
        made = road.get_token_grant(request)
        assert type(made) is grant
        assert (made.request, made.server) == (request, road)
        assert road.get_token_grant(request) is not made


@pytest.mark.parametrize("grant_type", ["Password", "password ", "", "authorization_code", "\u00e9", '"', "x\r\ny"])
def test_the_registry_refuses_other_grant_types_without_looking_at_their_characters(road, grant_type):
    with pytest.raises(UnsupportedGrantTypeError):
        road.get_token_grant(walk(grant_type=grant_type))


def test_check_token_endpoint_asks_grant_type_and_method_alone():
    for grant in GRANTS:
        request = walk(grant_type=grant.GRANT_TYPE)
        assert grant.check_token_endpoint(request)
        request.method = "GET"
        assert not grant.check_token_endpoint(request)


def test_authlib_looks_for_https_in_the_uri_so_ours_is_a_constant(monkeypatch):
    monkeypatch.delenv("AUTHLIB_INSECURE_TRANSPORT", raising=False)
    with pytest.raises(InsecureTransportError):
        InsecureTransportError.check("http://as.example/token")
    assert walk().uri.startswith("https://")
    assert walk().method == "POST"


def test_the_payload_is_the_form_that_we_parsed_and_nothing_else():
    request = walk(grant_type="password", scope="read", client_id="app")
    assert (request.payload.grant_type, request.payload.scope, request.payload.client_id) == ("password", "read", "app")
    assert request.form is request.payload.data
    assert walk().payload.grant_type is None


@pytest.mark.parametrize("description", ["\u00e9", 'a "quoted" word', "back\\slash", "line\nbreak"])
def test_rfc6749_5_2_authlib_raises_valueerror_for_a_description_with_other_characters(description):
    """So what a caller is told is a constant sentence, never made of its input."""
    with pytest.raises(ValueError, match="forbidden characters"):
        OAuth2Error(description)


@pytest.mark.parametrize("sentence", SENTENCES.values())
def test_our_sentences_have_only_the_characters_that_authlib_allows(sentence):
    OAuth2Error(sentence)


def test_authlib_asks_our_client_only_for_its_grant_types():
    ours = {name for name in vars(AuthlibClient) if not name.startswith("__")}
    assert ours == {"check_grant_type"}
    for name in ("check_client_secret", "check_endpoint_auth_method", "get_allowed_scope", "check_redirect_uri"):
        assert getattr(AuthlibClient, name) is getattr(ClientMixin, name)  # raises NotImplementedError if it is asked


def test_the_grants_accept_every_method_of_our_one_table():
    assert all(tuple(METHODS) == grant.TOKEN_ENDPOINT_AUTH_METHODS for grant in GRANTS)

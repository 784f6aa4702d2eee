"""What our grants lean on in Authlib 1.9.9: should a new version change one of these, it is seen here first."""

from typing import Any

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
from authserver.oauth.authlib_request import AuthlibRequest
from authserver.oauth.client_auth import METHODS, AuthlibClient
from authserver.oauth.error_descriptions import SENTENCES
from authserver.oauth.grant import Grant
from authserver.oauth.grants import GRANTS
from authserver.oauth.registry import GrantRegistry, UnsupportedGrant
from authserver.oauth.request import ClientRequest, Credentials
from authserver.pipeline.attempt import Attempt
from authserver.pipeline.errors import Refusal


def attempt(**form: Any) -> Any:
    request = ClientRequest(form, (), Credentials("none", "app"), arrived_at=0, network="")
    return Attempt(request, 0, Elapsed(Timeline((Stretch(0),), 0), Outages()))


def request(**form: Any) -> Any:
    services: Any = None
    return AuthlibRequest(attempt(**form), services)


def client_of(*grant_types: Any) -> Any:
    return Client("app", "App", "none", frozenset(grant_types), ("read",))


class Server:
    """As much of a server as Authlib's grants ask for."""

    def __init__(self, *grant_types: Any) -> None:
        self.client = AuthlibClient(client_of(*grant_types))

    def authenticate_client(self, request: Any, methods: Any, endpoint: Any = "token") -> Any:
        return self.client

    def send_signal(self, *args: Any, **kwargs: Any) -> None:
        pass

    def validate_requested_scope(self, scope: Any) -> None:
        pass


def test_the_refresh_grant_sets_request_client_before_it_calls_our_hook() -> None:
    class Stock(grants.RefreshTokenGrant):  # type: ignore[misc]
        def authenticate_refresh_token(self, text: Any) -> None:
            seen.append((text, self.request.client))

    seen: list[Any] = []
    server = Server("refresh_token")
    with pytest.raises(InvalidGrantError):  # a hook that returns nothing refuses
        Stock(request(refresh_token="rt"), server).validate_token_request()
    assert seen == [("rt", server.client)]


def test_the_password_grant_sets_request_client_only_after_our_hook() -> None:
    class Stock(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
        def authenticate_user(self, username: Any, password: Any) -> str:
            seen.append((username, password, self.request.client))
            return "user"

    seen: list[Any] = []
    server = Server("password")
    grant = Stock(request(username="ada", password="pw"), server)
    grant.validate_token_request()
    assert seen == [("ada", "pw", None)]
    assert (grant.request.client, grant.request.user) == (server.client, "user")


def test_a_password_hook_that_returns_nothing_would_be_invalid_request() -> None:
    """So ours raises invalid_grant itself (RFC 6749 s5.2)."""

    class Stock(grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
        def authenticate_user(self, username: Any, password: Any) -> Any:
            return None

    with pytest.raises(InvalidRequestError):
        Stock(request(username="ada", password="pw"), Server("password")).validate_token_request()


def test_the_refresh_hook_runs_before_the_scope_is_looked_at() -> None:
    """So reuse is seen whatever scope is asked for."""

    class Credential:
        def check_client(self, client: Any) -> Any:
            return True

        def get_scope(self) -> str:
            return "read"

    class Stock(grants.RefreshTokenGrant):  # type: ignore[misc]
        def authenticate_refresh_token(self, text: Any) -> Any:
            seen.append(text)
            return Credential()

    seen: list[Any] = []
    with pytest.raises(InvalidScopeError):
        Stock(request(refresh_token="rt", scope="admin"), Server("refresh_token")).validate_token_request()
    assert seen == ["rt"]


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.GRANT_TYPE)
def test_every_grant_lets_authlib_validate_and_answers_itself(grant: Any) -> None:
    (stock,) = [base for base in grant.__mro__ if base.__module__.startswith("authlib") and "GRANT_TYPE" in vars(base)][
        :1
    ]
    assert issubclass(grant, Grant)
    assert grant.validate_token_request is stock.validate_token_request
    assert "issue" in vars(grant)
    assert not {"create_token_response", "save_token"} & vars(grant).keys()
    assert grant.check_token_endpoint.__func__ is TokenEndpointMixin.check_token_endpoint.__func__


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.GRANT_TYPE)
def test_validation_refuses_a_client_that_is_not_registered_for_the_grant(grant: Any) -> None:
    made = grant(request(username="a", password="b", refresh_token="c", device_code="d"), None)
    made.accepted = client_of()
    with pytest.raises(UnauthorizedClientError):
        made.validate_token_request()


@pytest.mark.parametrize("grant", GRANTS, ids=lambda grant: grant.GRANT_TYPE)
def test_authlibs_exceptions_are_turned_into_ours(grant: Any) -> None:
    made = grant(request(device_code="d"), None)
    made.accepted = client_of()
    with pytest.raises(Refusal, match="unauthorized client") as refused:
        made.decide()
    assert (refused.value.code, refused.value.status, refused.value.writes) == ("unauthorized_client", 400, None)


@pytest.fixture
def registry() -> Any:
    return GrantRegistry()


def test_the_registry_makes_a_new_grant_of_the_grant_type_for_each_attempt(registry: Any) -> None:
    services: Any = "services"
    for grant in GRANTS:
        asked = attempt(grant_type=grant.GRANT_TYPE)
        made = registry(asked, services)
        assert type(made) is grant
        assert (made.attempt, made.services, made.server) == (asked, services, registry)
        assert made.request.form == asked.request.form
        assert registry(asked, services) is not made


def test_authlib_calls_no_method_of_the_server(registry: Any) -> None:
    """So the registry needs neither of the two that it would inherit without a body."""
    made = registry(attempt(grant_type="refresh_token", refresh_token="rt"), "services")
    made.accepted = client_of("refresh_token")
    made.authenticate_refresh_token = lambda text: None
    made.server = None
    with pytest.raises(InvalidGrantError):
        made.validate_token_request()


@pytest.mark.parametrize("grant_type", ["Password", "password ", "", "authorization_cod", "\u00e9", '"', "x\r\ny"])
def test_the_registry_refuses_other_grant_types_without_looking_at_their_characters(
    registry: Any, grant_type: str
) -> None:
    with pytest.raises(UnsupportedGrantTypeError):
        registry.get_token_grant(request(grant_type=grant_type))
    made = registry(attempt(grant_type=grant_type), None)
    assert type(made) is UnsupportedGrant
    with pytest.raises(Refusal) as refused:
        made.check_client()
    assert refused.value.code == "unsupported_grant_type"


def test_check_token_endpoint_asks_grant_type_and_method_alone() -> None:
    for grant in GRANTS:
        asked = request(grant_type=grant.GRANT_TYPE)
        assert grant.check_token_endpoint(asked)
        asked.method = "GET"
        assert not grant.check_token_endpoint(asked)


def test_authlib_looks_for_https_in_the_uri_so_ours_is_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTHLIB_INSECURE_TRANSPORT", raising=False)
    with pytest.raises(InsecureTransportError):
        InsecureTransportError.check("http://as.example/token")
    assert request().uri.startswith("https://")
    assert request().method == "POST"


def test_the_payload_is_the_form_that_we_parsed_and_nothing_else() -> None:
    asked = request(grant_type="password", scope="read", client_id="app")
    assert (asked.payload.grant_type, asked.payload.scope, asked.payload.client_id) == ("password", "read", "app")
    assert asked.form is asked.payload.data
    assert request().payload.grant_type is None


@pytest.mark.parametrize("description", ["\u00e9", 'a "quoted" word', "back\\slash", "line\nbreak"])
def test_rfc6749_5_2_authlib_raises_valueerror_for_a_description_with_other_characters(description: str) -> None:
    """So what a caller is told is a constant sentence, never made of its input."""
    with pytest.raises(ValueError, match="forbidden characters"):
        OAuth2Error(description)


@pytest.mark.parametrize("sentence", SENTENCES.values())
def test_our_sentences_have_only_the_characters_that_authlib_allows(sentence: Any) -> None:
    OAuth2Error(sentence)


def test_authlib_asks_our_client_only_for_its_id_and_its_grant_types() -> None:
    assert vars(AuthlibClient(client_of("password"))).keys() == {"check_grant_type", "_id"}
    for name in ("check_client_secret", "check_endpoint_auth_method", "get_allowed_scope", "check_redirect_uri"):
        assert getattr(AuthlibClient, name) is getattr(ClientMixin, name)  # raises NotImplementedError if it is asked


def test_the_grants_accept_every_method_of_our_one_table() -> None:
    assert all(tuple(METHODS) == grant.TOKEN_ENDPOINT_AUTH_METHODS for grant in GRANTS)

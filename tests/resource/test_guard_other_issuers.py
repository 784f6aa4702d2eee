"""Tokens as Auth0, Keycloak and Microsoft Entra issue them by default, and several issuers in one guard."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import Fetched, Guard, KeysUnavailable, TrustedIssuer
from tests.resource.network import Network
from tests.resource.tools import AUDIENCE, DROP, ISSUER, NOW, Clock, header_of, public, rejected, reply, sign, token_of

TIMES = {"iat": NOW, "exp": NOW + 3600}
TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"
API = "0f2a7b5c-3e1d-4d6f-8c60-5b1a7d3e9c11"

AUTH0 = TrustedIssuer("https://tenant.eu.auth0.com/", typ="JWT", scope_claims=("scope", "permissions"))
KEYCLOAK = TrustedIssuer(
    "https://sso.example/realms/shop",
    audience="notes-api",
    typ="JWT",
    scope_claims=("scope", ("resource_access", "notes-api", "roles")),
)
ENTRA = TrustedIssuer(
    f"https://login.microsoftonline.com/{TENANT}/v2.0", audience=API, typ="JWT", scope_claims=("scp", "roles")
)
ENTRA_1 = TrustedIssuer(
    f"https://sts.windows.net/{TENANT}/", audience="api://notes", typ="JWT", scope_claims=("scp", "roles")
)

ACCESS_TOKENS: dict[str, tuple[TrustedIssuer, dict[str, Any], str, set[str]]] = {
    "Auth0, a user": (
        AUTH0,
        {
            "sub": "auth0|507f1f77bcf86cd799439020",
            "aud": [AUDIENCE, f"{AUTH0.url}userinfo"],
            "azp": "my_client_id",
            "scope": "openid profile read",
            "permissions": ["write"],
        },
        "my_client_id",
        {"openid", "profile", "read", "write"},
    ),
    "Auth0, a machine without permissions": (
        AUTH0,
        {"sub": "cid@clients", "aud": AUDIENCE, "azp": "cid", "gty": "client-credentials", "permissions": []},
        "cid",
        set(),
    ),
    "Keycloak": (
        KEYCLOAK,
        {
            "jti": "onrtac:2a1c7b0e",
            "sub": "f1b1c2d3",
            "aud": ["notes-api", "account"],
            "typ": "Bearer",
            "azp": "shop-web",
            "sid": "a1",
            "acr": "1",
            "auth_time": NOW - 5,
            "allowed-origins": ["https://shop.example"],
            "realm_access": {"roles": ["offline_access", "user"]},
            "resource_access": {"notes-api": {"roles": ["read", "write"]}, "account": {"roles": ["view-profile"]}},
            "scope": "openid email profile",
            "preferred_username": "ada",
        },
        "shop-web",
        {"openid", "email", "profile", "read", "write"},
    ),
    "Keycloak before 24, with a nonce": (
        KEYCLOAK,
        {"jti": "1", "sub": "f1", "aud": "notes-api", "typ": "Bearer", "azp": "web", "nonce": "n", "scope": "read"},
        "web",
        {"read"},
    ),
    "Entra, a user": (
        ENTRA,
        {
            "aud": API,
            "nbf": NOW,
            "aio": "AWQAm",
            "azp": "11111111-2222-3333-4444-555555555555",
            "azpacr": "1",
            "name": "Ada",
            "oid": "aaaa",
            "scp": "Notes.Read Notes.Write",
            "sub": "HKZp",
            "tid": TENANT,
            "uti": "dP",
            "ver": "2.0",
        },
        "11111111-2222-3333-4444-555555555555",
        {"Notes.Read", "Notes.Write"},
    ),
    "Entra, an application": (
        ENTRA,
        {"aud": API, "nbf": NOW, "azp": "app", "roles": ["Notes.Read.All"], "sub": "s", "tid": TENANT, "ver": "2.0"},
        "app",
        {"Notes.Read.All"},
    ),
    "Entra 1.0, whose header has x5t": (
        ENTRA_1,
        {"aud": "api://notes", "nbf": NOW, "appid": "app", "scp": "Notes.Read", "sub": "s", "acr": "1", "ver": "1.0"},
        "app",
        {"Notes.Read"},
    ),
}

ID_TOKENS: dict[str, tuple[TrustedIssuer, dict[str, Any]]] = {
    "Auth0": (AUTH0, {"sub": "auth0|1", "aud": AUDIENCE, "sid": "x", "nonce": "n", "name": "Ada"}),
    "Auth0 without nonce": (AUTH0, {"sub": "auth0|1", "aud": AUDIENCE, "sid": "x", "name": "Ada"}),
    "Keycloak": (
        KEYCLOAK,
        {"jti": "1", "sub": "f1", "aud": "notes-api", "typ": "ID", "azp": "notes-api", "at_hash": "h", "scope": "read"},
    ),
    "Keycloak's refresh token": (
        KEYCLOAK,
        {"jti": "1", "sub": "f1", "aud": "notes-api", "typ": "Refresh", "azp": "web", "scope": "read"},
    ),
    "Entra": (
        ENTRA,
        {"aud": API, "sub": "s", "nonce": "n", "name": "Ada", "tid": TENANT, "ver": "2.0", "roles": ["x"]},
    ),
    "Entra without nonce": (ENTRA, {"aud": API, "sub": "s", "tid": TENANT, "ver": "2.0"}),
    "at_hash": (AUTH0, {"sub": "1", "aud": AUDIENCE, "azp": "web", "at_hash": "h"}),
    "c_hash": (AUTH0, {"sub": "1", "aud": AUDIENCE, "azp": "web", "c_hash": "h"}),
    "a logout token": (AUTH0, {"sub": "1", "aud": AUDIENCE, "azp": "web", "events": {}}),
}


def guard_of(issuer: TrustedIssuer, key: RSAKey, clock: Clock) -> Guard:
    """With keys that name no algorithm, as Entra's."""
    keys = [{name: value for name, value in jwk.items() if name != "alg"} for jwk in public(key)["keys"]]
    return Guard(TrustedIssuer(**{**vars(issuer), "keys": {"keys": keys}}), AUDIENCE, now=clock)


def theirs(key: RSAKey, issuer: TrustedIssuer, members: dict[str, Any], **header: object) -> str:
    return sign(key, header_of(key, typ="JWT", **header), {"iss": issuer.url, **TIMES, **members})


@pytest.mark.parametrize("name", ACCESS_TOKENS)
def test_access_tokens_of_others_come_in_by_a_few_arguments(name: str, key: RSAKey, clock: Clock) -> None:
    issuer, members, client, scope = ACCESS_TOKENS[name]
    guard = guard_of(issuer, key, clock)
    token = guard.verify(theirs(key, issuer, members, **({"x5t": "dGh1bWI"} if "x5t" in name else {})))
    assert (token.client_id, {*token.scope}, token.subject) == (client, scope, members["sub"])
    assert token.jti == members.get("jti", "")


@pytest.mark.parametrize("name", ID_TOKENS)
def test_their_id_tokens_do_not_even_for_the_same_audience(name: str, key: RSAKey, clock: Clock) -> None:
    issuer, members = ID_TOKENS[name]
    assert rejected(lambda: guard_of(issuer, key, clock).verify(theirs(key, issuer, members)))


@pytest.mark.parametrize("name", ACCESS_TOKENS)
def test_without_typ_jwt_no_such_token_comes_in(name: str, key: RSAKey, clock: Clock) -> None:
    issuer, members, *_ = ACCESS_TOKENS[name]
    guard = guard_of(TrustedIssuer(**{**vars(issuer), "typ": "at+jwt"}), key, clock)
    assert rejected(lambda: guard.verify(theirs(key, issuer, members))) == "wrong typ for an access token"


@pytest.mark.parametrize("spoil", [{"aud": "other"}, {"iss": "https://evil.example"}, {"exp": NOW}, {"sub": 1},
                                   {"azp": 1}, {"scope": ["read"]}, {"permissions": [1]}, {"permissions": {"a": 1}},
                                   {"cnf": {}}, {"jti": 1}, {"iat": DROP}], ids=repr)  # fmt: skip
def test_everything_else_is_as_strict_as_ever(key: RSAKey, clock: Clock, spoil: dict[str, Any]) -> None:
    members = {**ACCESS_TOKENS["Auth0, a user"][1], **spoil}
    token = {name: value for name, value in members.items() if value is not DROP}
    if "iat" in spoil:
        signed = sign(key, header_of(key, typ="JWT"), {"iss": AUTH0.url, "exp": NOW + 9, **token})
    else:
        signed = theirs(key, AUTH0, token)
    assert rejected(lambda: guard_of(AUTH0, key, clock).verify(signed))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT"])
def test_both_types_can_be_accepted(key: RSAKey, clock: Clock, typ: str) -> None:
    guard = Guard(ISSUER, AUDIENCE, typ=("at+jwt", "JWT"), keys=public(key), now=clock)
    assert guard.verify(token_of(key), "read").client_id == "app-1"
    assert guard.verify(sign(key, header_of(key, typ=typ), {**CLAIMS, "jti": typ})).subject == "user-1"
    for other in ("dpop+jwt", "logout+jwt", "", None, 1, DROP):
        assert rejected(lambda other=other: guard.verify(sign(key, header_of(key, typ=other), CLAIMS)))  # type: ignore[misc]


CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "app-1", "scope": "read", **TIMES}


def test_scopes_are_read_from_a_path_and_names_are_never_split(key: RSAKey, clock: Clock) -> None:
    claims = (("realm_access", "roles"), ("a", "b", "c"))
    guard = Guard(ISSUER, AUDIENCE, scope_claims=claims, keys=public(key), now=clock)
    token = token_of(key, scope="read", realm_access={"roles": ["user admin", "x"]}, a={"b": {"c": "y z"}})
    assert guard.verify(token).scope == {"user admin", "x", "y", "z"}
    assert guard.verify(token_of(key, realm_access={})).scope == frozenset()
    assert rejected(lambda: guard.verify(token_of(key, realm_access="roles")))


# http within a cluster


def test_http_is_for_loopback_only_unless_it_is_asked_for(key: RSAKey, clock: Clock) -> None:
    places: list[dict[str, Any]] = [
        {"issuer": "http://as.internal"},
        {"issuer": ISSUER, "jwks_uri": "http://as.internal/jwks"},
    ]
    for where in places:
        with pytest.raises(ValueError, match="allow_http=True"):
            Guard(**where, audience=AUDIENCE)
        network = Cluster(public(key), where["issuer"])
        guard = Guard(**where, audience=AUDIENCE, allow_http=True, fetch=network, now=clock)
        assert guard.verify(token_of(key, iss=where["issuer"])).subject == "user-1"
        assert all(url.startswith("http://as.internal/") for url in network.urls)


def test_http_that_is_allowed_is_no_way_from_https(key: RSAKey, clock: Clock) -> None:
    """Who can change the metadata of an https issuer could as well change its keys; nobody else shall."""
    guard = Guard(ISSUER, AUDIENCE, allow_http=True, fetch=Cluster(public(key), ISSUER), now=clock)
    with pytest.raises(KeysUnavailable):
        guard.verify(token_of(key))


class Cluster(Network):
    """Its JWKS is at an http address that is not on loopback."""

    def __init__(self, jwks: dict[str, Any], issuer: str) -> None:
        super().__init__(jwks)
        self.issuer, self.urls = issuer, list[str]()

    def __call__(self, url: str, headers: Mapping[str, str]) -> Fetched:
        self.urls.append(url)
        if "/.well-known/" in url:
            return Fetched(*reply({"issuer": self.issuer, "jwks_uri": "http://as.internal/jwks"}))
        return super().__call__(url, headers)


# Several issuers

SECOND = "https://second.example"


class World:
    """Two issuers, each with its metadata and its keys; remembers what was asked of whom."""

    def __init__(self, **keys: RSAKey) -> None:
        self.keys, self.urls = keys, list[str]()

    def __call__(self, url: str, headers: Mapping[str, str]) -> Fetched:
        self.urls.append(url)
        issuer = "/".join(url.split("/")[:3])
        if "/.well-known/" in url:
            return Fetched(*reply({"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}))
        return Fetched(*reply(public(self.keys["first" if issuer == ISSUER else "second"])))


@pytest.fixture
def world(key: RSAKey, other_key: RSAKey) -> World:
    return World(first=key, second=other_key)


@pytest.fixture
def two(world: World, clock: Clock) -> Guard:
    return Guard([ISSUER, SECOND], AUDIENCE, fetch=world, now=clock)


def test_each_token_is_verified_by_its_own_issuer(two: Guard, key: RSAKey, other_key: RSAKey) -> None:
    first, second = two.verify(token_of(key), "read"), two.verify(token_of(other_key, iss=SECOND), "read")
    assert (first.issuer, second.issuer) == (ISSUER, SECOND) == two.issuers
    assert asyncio.run(two.averify(token_of(key))) is first  # remembered
    assert two.metadata()["authorization_servers"] == [ISSUER, SECOND]


def test_a_key_of_one_issuer_never_verifies_a_token_of_another(two: Guard, key: RSAKey, other_key: RSAKey) -> None:
    two.verify(token_of(key)), two.verify(token_of(other_key, iss=SECOND))
    assert "no such key" in rejected(lambda: two.verify(token_of(key, iss=SECOND)))
    named = sign(key, header_of(key, kid=other_key.kid), {**CLAIMS, "jti": "1", "iss": SECOND})
    assert rejected(lambda: two.verify(named)) == "wrong signature"


def test_nor_do_issuers_share_a_key_by_its_name(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    """The same kid at both, as attackers choose it who own one of the issuers."""
    twin: Any = {"keys": [{**other_key.as_dict(private=False), "kid": key.kid}]}
    issuers = [TrustedIssuer(ISSUER, keys=public(key)), TrustedIssuer(SECOND, keys=twin)]
    guard = Guard(issuers, AUDIENCE, now=clock)
    guard.verify(token_of(key))
    forged = sign(other_key, header_of(key), {**CLAIMS, "jti": "1"})
    assert rejected(lambda: guard.verify(forged)) == "wrong signature"
    assert guard.verify(sign(other_key, header_of(key), {**CLAIMS, "jti": "1", "iss": SECOND})).issuer == SECOND


@pytest.mark.parametrize("iss", ["https://evil.example", f"{ISSUER}/", "", None, 1, [ISSUER], DROP], ids=repr)
def test_an_unknown_issuer_costs_no_network(two: Guard, world: World, key: RSAKey, iss: object) -> None:
    assert rejected(lambda: two.verify(token_of(key, iss=iss))) == "wrong issuer"
    assert world.urls == []


def test_one_issuer_that_is_down_does_not_harm_the_other(
    two: Guard, world: World, key: RSAKey, other_key: RSAKey
) -> None:
    del world.keys["second"]
    with pytest.raises(KeysUnavailable):
        two.verify(token_of(other_key, iss=SECOND))
    assert two.verify(token_of(key)).subject == "user-1"


def test_each_issuer_has_rules_of_its_own(key: RSAKey, other_key: RSAKey, clock: Clock) -> None:
    issuers = [TrustedIssuer(ISSUER, keys=public(key)), TrustedIssuer(**{**vars(ENTRA), "keys": public(other_key)})]
    guard = Guard(issuers, AUDIENCE, now=clock)
    assert guard.verify(token_of(key), "read").issuer == ISSUER
    members = ACCESS_TOKENS["Entra, a user"][1]
    assert guard.verify(theirs(other_key, ENTRA, members), "Notes.Read").issuer == ENTRA.url
    assert "typ" in rejected(lambda: guard.verify(sign(key, header_of(key, typ="JWT"), CLAIMS)))
    assert "audience" in rejected(lambda: guard.verify(theirs(other_key, ENTRA, {**members, "aud": AUDIENCE})))
    assert "audience" in rejected(lambda: guard.verify(token_of(key, aud=API)))


def test_fake_may_be_of_any_of_the_issuers(clock: Clock) -> None:
    guard = Guard([ISSUER, ENTRA], AUDIENCE, now=clock)
    with guard.fake(sub="ada", scope="read") as ours, guard.fake(sub="bob", scope="read", iss=ENTRA.url) as bob:
        assert (ours.issuer, ours.audience) == (ISSUER, (AUDIENCE,))
        assert (bob.issuer, bob.audience) == (ENTRA.url, (API,)) and guard.verify("", "read") is bob

"""What a client may be, in one place for every way to make one."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import claim_rules, subjects
from authserver.domain.algorithms import ALGORITHMS
from authserver.domain.claim_rules import MAX_NAMES
from authserver.domain.client_rules import MAX_ORIGINS, ClientRefused, check, origin_fault
from authserver.domain.models import Client

GRANTS = ("authorization_code", "client_credentials", "password", "refresh_token")
METHODS = ("client_secret_basic", "client_secret_post", "none")
BACK = "https://app.example/back"
WEB = Client(
    "web",
    "Web",
    "client_secret_post",
    frozenset(GRANTS),
    ("read", "openid"),
    ("https://api.example",),
    redirect_uris=(BACK,),
)
APP = Client("app", "App", "none", frozenset({"password", "refresh_token"}), ("read",))
LONGEST_HOST = ".".join(["a" * 63, "a" * 63, "a" * 63, "a" * 61])
API = Client("api", "Notes API", "client_secret_basic", frozenset(), (), ("https://notes.example",))


def checked(client: Client, **changes: Any) -> None:
    check(replace(client, **changes), grant_types=GRANTS, auth_methods=METHODS)


@pytest.mark.parametrize("client", [WEB, APP, API], ids=lambda client: client.id)
@pytest.mark.parametrize("typ", ["at+jwt", "JWT"])
def test_what_is_allowed(client: Client, typ: str) -> None:
    checked(client, access_token_typ=typ, web_origins=("https://app.example", "http://localhost:3000"))


def test_the_most_and_the_longest_that_a_client_can_have() -> None:
    checked(WEB, id="c" * 64, name="n" * 256, audiences=("https://api.example/!,a=(b,c)",))
    checked(WEB, web_origins=tuple(f"https://{n}.example:65535" for n in range(MAX_ORIGINS)))
    checked(WEB, client_uri="https://app.example/" + "a" * 2028, logo_uri=PNG + "A" * (16384 - len(PNG)))


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("application_type", ["web", "native"])
def test_what_a_client_can_register_for_sign_in(alg: str, application_type: str) -> None:
    pages = {"client_uri": "http://localhost:3000", "policy_uri": BACK, "tos_uri": f"{BACK}?a=b", "logo_uri": BACK}
    checked(WEB, id_token_alg=alg, userinfo_alg=alg, application_type=application_type, pkce="optional", **pages)


@pytest.mark.parametrize("type", ["png", "jpeg", "webp", "svg+xml"])
def test_a_logo_may_be_a_small_image_itself(type: str) -> None:
    checked(APP, logo_uri=f"data:image/{type};base64,iVBORw0KGgo=")


PNG = "data:image/png;base64,"
WORDS = "A scope is one word of visible ASCII characters without quotes and backslashes."
ID = (
    "It needs 1 to 64 visible ASCII characters without spaces, quotes, commas and backslashes, and starts with a "
    "letter or digit."
)
NAME = "This name is not valid. It needs 1 to 256 characters without control characters."
ADDRESS = (
    "cannot be the header of the user's address. Use a lower-case name like x-user-address: x- and at most 62 letters, "
    "digits and hyphens. Proxies write X-Forwarded-For and X-Real-IP."
)
ADDRESS_OF_A_PUBLIC_CLIENT = "name an address for a public client: --user-address-header requires a secret."
COMMA = "with a comma in it. Give each URI on its own, and write a comma within one as %2C."
ABSOLUTE = "Give an absolute URI without a fragment, like https://api.example."
REDIRECT = (
    "cannot be a redirect URI: give https, http on a loopback host only, or an app's own scheme, "
    "which is a domain name in reverse (com.example.app:/back), without a user name or wildcard."
)
RESERVED = f"Reserved are: {', '.join(sorted(claim_rules.RESERVED))}."
ORIGIN = (
    "give scheme, host and port as a browser sends them, without a path or a slash at the end, such as "
    "https://app.example, or http://localhost:3000 (http is for loopback hosts only)."
)


@pytest.mark.parametrize(
    ("client", "changes", "told"),
    [
        (WEB, {"id": "i" * 65}, f"The client id '{'i' * 64}' is not valid. {ID}"),
        (WEB, {"id": "-web"}, f"The client id '-web' is not valid. {ID}"),
        (WEB, {"name": " "}, NAME),
        (WEB, {"name": "n" * 257}, NAME),
        (WEB, {"name": "a\nb"}, NAME),
        (WEB, {"name": "knab\u202e"}, NAME),
        (WEB, {"name": "a\u2066b"}, NAME),
        (WEB, {"id_token_alg": "none"}, f"There is no id_token_alg 'none'. Allowed: {', '.join(ALGORITHMS)}."),
        (WEB, {"userinfo_alg": "HS256"}, f"There is no userinfo_alg 'HS256'. Allowed: {', '.join(ALGORITHMS)}."),
        (WEB, {"application_type": "spa"}, "There is no application_type 'spa'. Allowed: web, native."),
        (WEB, {"pkce": "plain"}, "There is no pkce 'plain'. Allowed: required, optional."),
        (
            WEB,
            {"pkce": "optional", "scope": ("read",)},
            "PKCE can be optional only for a client with the scope openid: its nonce takes the place.",
        ),
        (
            APP,
            {"pkce": "optional", "scope": ("openid",)},
            "A public client requires PKCE. Leave out --pkce optional, or give it a secret.",
        ),
        (
            WEB,
            {"redirect_uris": ()},
            "The grant type authorization_code requires a redirect URI. Give at least one, for example: --redirect-uri "
            "https://app.example/callback",
        ),
        (
            APP,
            {"grant_types": frozenset({"client_credentials"})},
            "The grant type client_credentials requires a secret, and this client is public.",
        ),
        (
            APP,
            {"grant_types": frozenset()},
            "A client without a grant type can only introspect tokens, which requires a secret.",
        ),
        (
            APP,
            {"policy": {"rotation": False}},
            "A public client requires refresh-token rotation. Allow rotation, or give it a secret.",
        ),
        (
            APP,
            {"grant_types": frozenset({"implicit"})},
            f"There is no grant type 'implicit'. Allowed: {', '.join(GRANTS)}.",
        ),
        (
            APP,
            {"auth_method": "private_key_jwt"},
            "There is no auth method 'private_key_jwt'. Allowed: client_secret_basic, client_secret_post, none.",
        ),
        (WEB, {"access_token_typ": "jwt"}, "There is no access_token_typ 'jwt'. Allowed: at+jwt, JWT."),
        (
            WEB,
            {"access_token_alg": "HS256"},
            f"There is no access_token_alg 'HS256'. Allowed: {', '.join(ALGORITHMS)}.",
        ),
        (WEB, {"scope": ("a b",)}, "Give each scope once, as one word."),
        (WEB, {"scope": ("a", "a")}, "Give each scope once, as one word."),
        (WEB, {"scope": ('"',)}, f"A scope contains a character that RFC 6749 s3.3 does not allow. {WORDS}"),
        (
            WEB,
            {"scope": ("a,b",)},
            f"'a,b' would be one scope with a comma in it. Separate scopes by spaces: \"a b\". {WORDS}",
        ),
        (WEB, {"audiences": (f"{BACK},{BACK}",)}, f"'{BACK},{BACK}' would be one audience {COMMA}"),
        (WEB, {"audiences": ("urn:a,urn:b",)}, f"'urn:a,urn:b' would be one audience {COMMA}"),
        (WEB, {"redirect_uris": (f"{BACK},{BACK}",)}, f"'{BACK},{BACK}' would be one redirect URI {COMMA}"),
        (
            WEB,
            {"post_logout_redirect_uris": (f"{BACK},com.example:/",)},
            f"'{BACK},com.example:/' would be one post-logout redirect URI {COMMA}",
        ),
        (
            WEB,
            {"access_token_claims": ("roles,groups",)},
            "'roles,groups' would be one claim with a comma in its name. Give each claim on its own.",
        ),
        (WEB, {"audiences": ("/api",)}, f"'/api' is not a valid audience. {ABSOLUTE}"),
        (WEB, {"audiences": ("https://a.example/ b",)}, f"'https://a.example/ b' is not a valid audience. {ABSOLUTE}"),
        (
            WEB,
            {"redirect_uris": ("https://a.example/#x",)},
            f"'https://a.example/#x' is not a valid redirect URI. {ABSOLUTE}",
        ),
        (WEB, {"redirect_uris": ("http://a.example",)}, f"'http://a.example' {REDIRECT}"),
        (
            WEB,
            {"web_origins": tuple(f"https://{n}.example" for n in range(MAX_ORIGINS + 1))},
            "A client can have at most 100 web origins.",
        ),
        (WEB, {"access_token_claims": ("roles", "sub")}, f"The claim name 'sub' is reserved. {RESERVED}"),
        (
            WEB,
            {"access_token_claims": tuple(f"claim{n}" for n in range(MAX_NAMES + 1))},
            "A client's access tokens can have at most 64 claims.",
        ),
        (WEB, {"id_token_claims": ("sid",)}, f"The claim name 'sid' is reserved. {RESERVED}"),
        (
            WEB,
            {"id_token_claims": tuple(f"claim{n}" for n in range(MAX_NAMES + 1))},
            "A client's ID tokens can have at most 64 claims.",
        ),
        (APP, {"user_address_header": "x-user-address"}, f"Anyone could {ADDRESS_OF_A_PUBLIC_CLIENT}"),
        (WEB, {"user_address_header": "X-User-Address"}, f"'X-User-Address' {ADDRESS}"),
        (WEB, {"user_address_header": "cookie"}, f"'cookie' {ADDRESS}"),
        (WEB, {"user_address_header": "x-forwarded-for"}, f"'x-forwarded-for' {ADDRESS}"),
        (WEB, {"user_address_header": "x-a: b"}, f"'x-a: b' {ADDRESS}"),
        (WEB, {"user_address_header": "x-" + "a" * 63}, f"'x-{'a' * 62}' {ADDRESS}"),
        (WEB, {"web_origins": ("null",)}, f"'null' is not a web origin: {ORIGIN}"),
        (WEB, {"web_origins": ("https://A.example",)}, f"'https://A.example' is not a web origin: {ORIGIN}"),
        (WEB, {"web_origins": ("https://a..example",)}, f"'https://a..example' is not a web origin: {ORIGIN}"),
        (
            WEB,
            {"web_origins": ("https://a.example:65536",)},
            f"'https://a.example:65536' is not a web origin: {ORIGIN}",
        ),
        (
            WEB,
            {"web_origins": ("https://a.example:443",)},
            "'https://a.example:443' names the default port of its scheme, which browsers leave out: " + ORIGIN,
        ),
        (
            WEB,
            {"web_origins": ("http://a.example",)},
            f"'http://a.example' is http on a host that is not loopback: {ORIGIN}",
        ),
    ],
)
def test_what_no_client_can_be_is_refused_with_what_is_allowed(
    client: Client, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ClientRefused) as refused:
        checked(client, **changes)
    assert str(refused.value) == told


@pytest.mark.parametrize(
    "uri",
    ["https://app.example/back?a=b", "https://localhost:8443/", "http://127.0.0.1:3000/back", "http://[::1]/back"]
    + ["com.example.app:/back", "com.example.app://back"],
)
def test_rfc8252_7_redirect_uris_of_web_and_native_apps_are_accepted(uri: str) -> None:
    checked(APP, redirect_uris=(uri,))


@pytest.mark.parametrize(
    "uri",
    ["javascript://h/%0aalert(1)", "javascript:alert(1)", "data:text/html,x", "ftp://app.example/", "app:/back"]
    + ["http://app.example/back", "https:/back", "https:///back", "https://user@app.example/", "https://*.example/"],
)
def test_rfc8252_8_4_redirect_uris_that_lead_where_no_client_should_be(uri: str) -> None:
    with pytest.raises(ClientRefused, match="cannot be a redirect URI: give https"):
        checked(APP, redirect_uris=(uri,))


@pytest.mark.parametrize(
    "uri",
    ["https://[::1", "https://app.example:65536/", "https://app.example:x/", "https://app.example/#", "/back", "back"]
    + ["https://app.example/\u00e9", "https://app.example/\u00a0", 'https://app.example/"', "https://app.example/<"]
    + ["https://app.example/\n", "https://app.example/\\", ""],
)
def test_rfc3986_2_what_is_no_uri_at_all(uri: str) -> None:
    with pytest.raises(ClientRefused, match="is not a valid redirect URI"):
        checked(APP, redirect_uris=(uri,))
    with pytest.raises(ClientRefused, match="is not a valid audience"):
        checked(APP, audiences=(uri,))


@pytest.mark.parametrize("what", ["client_uri", "logo_uri", "policy_uri", "tos_uri"])
@pytest.mark.parametrize(
    "uri",
    ["javascript:alert(1)", "javascript://localhost/%0aalert(1)", "data:text/html,x", "http://app.example/", "app:/"]
    + ["https://user@app.example/", "https:///x", "https://app.example/\u00e9", "https://app.example/" + "a" * 2029]
    + ["data:image/gif;base64,AA==", "data:image/png;base64,<script>", PNG + "A" * 16384],
)
def test_what_no_page_of_ours_can_link_to_or_show(what: str, uri: str) -> None:
    with pytest.raises(ClientRefused, match=f"cannot be the {what}. Give an https URL of at most 2048 characters"):
        checked(WEB, **{what: uri})


@pytest.mark.parametrize(
    "origin",
    ["https://app.example", "https://app.example:8443", "https://xn--bcher-kva.example", "https://203.0.113.7"]
    + [
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:5173",
        "http://[::1]:3000",
        "https://[2001:db8::1]",
        f"https://{LONGEST_HOST}",
    ],
)
def test_rfc6454_6_2_an_origin_as_browsers_send_it(origin: str) -> None:
    assert origin_fault(origin) is None
    checked(APP, web_origins=(origin,))


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "", "app.example", "https://", "https://*.example", "https://app.example/", "https://app.example/a"]
    + ["https://app.example?a", "https://app.example#a", "https://user@app.example", "HTTPS://app.example"]
    + ["https://App.example", "https://bücher.example", "https://app.example:443", "http://localhost:80"]
    + ["https://app.example:0", "https://app.example:65536", "https://app.example:", "https://app.example."]
    + ["http://app.example", "http://localhost.example", "http://0.0.0.0:3000", "http://127.1", "https://[::1%1]"]
    + ["ftp://app.example", "chrome-extension://abc", "file://", "https://a.example https://b.example"]
    + [" https://app.example", "https://app.example\n", "https://app.example\x00"]
    + [f"https://{'a' * 64}.example", f"https://{LONGEST_HOST}b"],
)
def test_what_no_browser_sends_or_nobody_should_trust_is_no_origin(origin: str) -> None:
    match = r"as a browser sends them.*https://app\.example, .*http is for loopback hosts only"
    with pytest.raises(ClientRefused, match=match):
        checked(APP, web_origins=(origin,))


@given(st.text())
def test_any_text_is_judged_and_none_with_a_space_is_an_origin(text: str) -> None:
    """The store keeps lists as words."""
    if origin_fault(text) is None:
        assert text.split() == [text]


@pytest.mark.parametrize(
    ("uris", "sector"),
    [
        (["https://app.example/back"], "app.example"),
        (["https://app.example/back", "https://APP.example:8443/other?x"], "app.example"),
        (["https://app.example/back", "https://other.example/back"], ""),
        (["https://app.example/back", "com.example.app://app.example/back"], ""),
        (["com.example.app://back"], ""),
        (["http://127.0.0.1/back"], ""),
        (["https://localhost/back"], ""),
    ],
)
def test_oidc_core_8_1_pairwise_subjects_need_one_sector(uris: list[str], sector: str) -> None:
    pairwise = replace(APP, redirect_uris=tuple(uris), subject_type="pairwise")
    named = replace(pairwise, sector_identifier_uri="https://sector.example/uris.json")
    assert (subjects.sector_of(pairwise), subjects.sector_of(named)) == (sector, "sector.example")
    checked(named)
    if sector:
        checked(pairwise)
    else:
        with pytest.raises(ClientRefused, match="--sector-identifier-uri https://app.example"):
            checked(pairwise)


@pytest.mark.parametrize(
    "uri", ["sector.example", "http://sector.example", "https://", "https://localhost", "com.example:/x", "https://a#b"]
)
def test_oidc_core_8_1_a_sector_identifier_uri_is_https(uri: str) -> None:
    with pytest.raises(ClientRefused, match="sector identifier URI"):
        checked(APP, sector_identifier_uri=uri)

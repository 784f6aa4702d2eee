"""OpenID Connect Back-Channel Logout 1.0 s2.4: what is in a logout token, and that it is no ID token."""

from authserver.domain import id_token, logout_token
from authserver.domain.logout_token import EVENT

ISSUER = "https://login.example"
CLAIMS = logout_token.claims(
    issuer=ISSUER, client_id="app", subject="u_ada", sid="0a", now=1_700_000_000_999_999, jti="a jti"
)


def test_s2_4_it_has_every_member_and_no_nonce() -> None:
    assert CLAIMS == {
        "iss": ISSUER,
        "sub": "u_ada",
        "aud": "app",
        "iat": 1_700_000_000,
        "exp": 1_700_000_120,
        "jti": "a jti",
        "sid": "0a",
        "events": {EVENT: {}},
    }


def test_s4_1_it_is_no_id_token_even_with_the_members_of_one() -> None:
    hint = {"auth_time": 1_700_000_000}
    assert id_token.hint_of(CLAIMS, ISSUER) is None
    assert id_token.hint_of(CLAIMS | hint, ISSUER) is None
    without_events = {name: value for name, value in CLAIMS.items() if name != "events"}
    assert id_token.hint_of(without_events | hint, ISSUER) == id_token.Hint("app", "u_ada", "0a")

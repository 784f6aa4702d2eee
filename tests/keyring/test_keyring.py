"""What a process does with the keys that it knows: signs with the active one, publishes all, opens each once."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet

from authserver.domain.errors import KeyMissing, Misconfigured
from authserver.domain.models import RefreshTokenKey, SigningKey
from authserver.keyring import KeyEncryptionKeys, Keyring, KeyStore
from authserver.keyring.jwt import is_header
from authserver.store.signing_keys import KeyState
from tests.harness.constants import SECOND

NOW = 1_800_000_000 * SECOND
CLAIMS = {"iss": "https://as.example", "sub": "ada", "exp": 1}
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


class CountingKeys(KeyEncryptionKeys):
    """Counts what is opened."""

    def __init__(self) -> None:
        super().__init__({"keys/kek": b"k" * 32})
        self.opened: list[str] = []

    def unwrap(self, row: str, wrapped: str) -> bytes:
        self.opened.append(row)
        return super().unwrap(row, wrapped)


KEKS = CountingKeys()


def header_of(token: str) -> tuple[str, str]:
    header = json.loads(urlsafe_b64decode(token.partition(".")[0] + "=="))
    return header["alg"], header["kid"]


@pytest.fixture(scope="module")
def keys() -> dict[str, SigningKey]:
    """One in each state, made in this order; making an RSA key takes a while."""
    states = ("revoked", "retired", "pending", "active", "removed")
    made = {state: KeyStore(KEKS).generate("RS256", now=NOW, max_token_ttl=900) for state in states}
    return {state: replace(key, state=state) for state, key in made.items()}


@pytest.fixture
def keks() -> CountingKeys:
    KEKS.opened.clear()
    return KEKS


def refresh_key(id: str, active_at: int = NOW) -> RefreshTokenKey:
    return RefreshTokenKey(id, KEKS.wrap(id, id.encode().ljust(32)), NOW, active_at)


REFRESH_KEYS = (refresh_key("one"),)


@pytest.fixture(scope="module")
def state(keys: dict[str, SigningKey]) -> KeyState:
    return KeyState(tuple(keys.values()), REFRESH_KEYS)


@pytest.fixture(scope="module")
def keyring(state: KeyState) -> Keyring:
    """For tests that only look; opening keys takes a while, too."""
    return Keyring(KeyStore(KEKS), state, NOW)


@pytest.fixture
def fresh(keks: CountingKeys, state: KeyState) -> Keyring:
    """For tests that update it."""
    return Keyring(KeyStore(keks), state, NOW)


def test_what_the_active_key_signs_verifies_with_what_is_published_rfc9068_2_1(
    keyring: Keyring, keys: dict[str, SigningKey]
) -> None:
    token = keyring.sign(CLAIMS, NOW)
    verified = jwt.decode(token, KeySet.import_key_set(json.loads(keyring.jwks_document)), ["RS256"])
    assert verified.claims == CLAIMS
    assert verified.header == {"alg": "RS256", "typ": "at+jwt", "kid": keys["active"].kid}


def test_back_channel_logout_4_1_what_is_typed_as_a_logout_token_never_verifies_here(keyring: Keyring) -> None:
    token = keyring.sign(CLAIMS, NOW, typ="logout+jwt")
    verified = jwt.decode(token, KeySet.import_key_set(json.loads(keyring.jwks_document)), ["RS256"])
    assert (verified.header["typ"], verified.claims) == ("logout+jwt", CLAIMS)
    assert keyring.verify(token) is None and keyring.verify_past(token) is None
    assert not keyring.may_be_newer(token)


def test_only_the_active_key_signs(keks: CountingKeys, keys: dict[str, SigningKey]) -> None:
    others = tuple(key for state, key in keys.items() if state != "active")
    with pytest.raises(KeyMissing):
        Keyring(KeyStore(keks), KeyState(others, REFRESH_KEYS), NOW).sign(CLAIMS, NOW)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # joserfc would have RFC 9864's Ed25519
@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
def test_another_algorithm_signs_once_it_has_an_active_key_and_the_default_until_then(
    keks: CountingKeys, keys: dict[str, SigningKey], alg: str
) -> None:
    other = KeyStore(keks).generate(alg, now=NOW, max_token_ttl=900)
    keyring = Keyring(KeyStore(keks), KeyState((other, keys["active"]), REFRESH_KEYS), NOW)
    assert header_of(keyring.sign(CLAIMS, NOW, alg)) == ("RS256", keys["active"].kid)
    keyring.update(KeyState((replace(other, state="active"), keys["active"]), REFRESH_KEYS), NOW)
    token = keyring.sign(CLAIMS, NOW, alg)
    assert header_of(token) == (alg, other.kid) and keyring.verify(token) == CLAIMS
    assert header_of(keyring.sign(CLAIMS, NOW)) == ("RS256", keys["active"].kid)
    published = keyring.jwks["keys"]
    assert [key["alg"] for key in published] == ["RS256", alg]  # verifiers that take the first one go on
    assert not set(published[1]) & PRIVATE
    verified = jwt.decode(token, KeySet.import_key_set({"keys": published}), [alg])  # type: ignore[typeddict-item]
    assert verified.claims == CLAIMS


def test_a_key_of_a_later_versions_algorithm_is_published_and_stops_nothing(
    keks: CountingKeys, keys: dict[str, SigningKey]
) -> None:
    public = {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "use": "sig"}
    new = replace(keys["active"], kid="new", alg="ML-DSA-44", public=public, wrapped="something else")
    keyring = Keyring(KeyStore(keks), KeyState((keys["active"], new), REFRESH_KEYS), NOW)
    assert header_of(keyring.sign(CLAIMS, NOW, "ML-DSA-44")) == ("RS256", keys["active"].kid)
    assert [key["kid"] for key in keyring.jwks["keys"]] == [keys["active"].kid, "new"]


def test_the_jwks_holds_the_active_key_first_then_the_pending_then_the_retired_and_no_other(
    keyring: Keyring, keys: dict[str, SigningKey]
) -> None:
    published = json.loads(keyring.jwks_document)
    assert [key["kid"] for key in published["keys"]] == [keys[state].kid for state in ("active", "pending", "retired")]
    assert published.keys() == {"keys"}


def test_the_jwks_carries_an_allow_list_and_nothing_private_rfc7517_9_2(keyring: Keyring) -> None:
    for key in json.loads(keyring.jwks_document)["keys"]:
        assert key.keys() == {"kty", "n", "e", "kid", "alg", "use"}
        assert (key["kty"], key["alg"], key["use"], key["e"]) == ("RSA", "RS256", "sig", "AQAB")


def test_whatever_a_row_holds_no_private_member_is_published(keks: CountingKeys, keys: dict[str, SigningKey]) -> None:
    """A row that somebody else wrote: an import, another version, a hand."""
    private = json.loads(keks.unwrap(keys["active"].kid, str(keys["active"].wrapped)))
    assert private.keys() > {"d", "p", "q"}
    leaky = replace(keys["active"], public=keys["active"].public | private | {"x5c": "canary"})
    document = Keyring(KeyStore(keks), KeyState((leaky,), REFRESH_KEYS), NOW).jwks_document
    assert json.loads(document)["keys"] == [keys["active"].public]
    assert b"canary" not in document and not any(private[name].encode() in document for name in ("d", "p", "q"))


def test_the_document_changes_with_the_published_keys_and_only_then(
    fresh: Keyring, keys: dict[str, SigningKey]
) -> None:
    """So does its ETag, which is computed from it."""
    before = fresh.jwks_document
    fresh.update(KeyState(tuple(keys.values()), (refresh_key("two"),)), NOW + 1)
    assert fresh.jwks_document == before
    fresh.update(KeyState((keys["active"],), REFRESH_KEYS), NOW + 2)
    assert fresh.jwks_document != before


def test_the_kid_is_the_thumbprint_rfc7638_3(keys: dict[str, SigningKey]) -> None:
    for key in keys.values():
        required = {name: key.public[name] for name in ("e", "kty", "n")}
        digest = sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
        assert key.kid == key.public["kid"] == base64url(digest)


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("seconds", "signs"), [(0, True), (29, True), (30, True), (30.000001, False), (3600, False), (-5, True)]
)
def test_a_process_that_could_not_read_the_keys_for_30_s_signs_nothing_and_goes_on_publishing(
    keyring: Keyring, seconds: float, signs: bool
) -> None:
    now, published = NOW + round(seconds * SECOND), keyring.jwks_document
    assert keyring.is_stale(now) is not signs
    if signs:
        assert keyring.sign(CLAIMS, now)
    else:
        with pytest.raises(KeyMissing):
            keyring.sign(CLAIMS, now)
    assert keyring.jwks_document == published


def test_once_it_has_read_them_again_it_signs_again(fresh: Keyring, state: KeyState) -> None:
    fresh.update(state, NOW + 3600 * SECOND)
    assert fresh.sign(CLAIMS, NOW + 3630 * SECOND)


def test_own_tokens_are_recognised_by_every_published_key_expired_or_not(
    keks: CountingKeys, keys: dict[str, SigningKey], keyring: Keyring
) -> None:
    for state in ("active", "pending", "retired", "revoked", "removed"):
        signs = Keyring(KeyStore(keks), KeyState((replace(keys[state], state="active"),), REFRESH_KEYS), NOW)
        expected = CLAIMS if state in ("active", "pending", "retired") else None
        assert keyring.verify(signs.sign(CLAIMS, NOW)) == expected, state


def test_a_retired_key_whose_private_part_is_destroyed_still_verifies(
    keks: CountingKeys, keys: dict[str, SigningKey], keyring: Keyring
) -> None:
    token = keyring.sign(CLAIMS, NOW)
    retired = replace(keys["active"], state="retired", wrapped=None)
    assert Keyring(KeyStore(keks), KeyState((retired, keys["pending"]), REFRESH_KEYS), NOW).verify(token) == CLAIMS


def test_every_character_of_a_token_matters_rfc7515_2(keyring: Keyring) -> None:
    """Spare bits, padding and characters that are none included: no verifier would take them either."""
    token = keyring.sign(CLAIMS, NOW)
    for place in (*range(0, len(token), 9), *range(len(token) - 6, len(token))):
        for other in set("AQgw-_+/= .\0é") - {token[place]}:
            assert keyring.verify(token[:place] + other + token[place + 1 :]) is None, (place, other)


@pytest.mark.parametrize(
    "respelled", ["{}=", "{}==", "{}!", "{}\n", " {}", "{}.", "{}.x", "{}A", "x.{}", "{}é", "{}{}"]
)
def test_no_other_spelling_of_a_token_is_ours(keyring: Keyring, respelled: str) -> None:
    token = keyring.sign(CLAIMS, NOW)
    assert keyring.verify(token) == CLAIMS
    assert keyring.verify(respelled.format(token, token)) is None


@given(text=st.text() | st.lists(st.text("abc-_="), min_size=3, max_size=3).map(".".join))
def test_any_other_text_is_not_ours(keyring: Keyring, text: str) -> None:
    header = keyring.sign(CLAIMS, NOW).partition(".")[0]
    assert keyring.verify(text) is keyring.verify(f"{header}.{text}") is keyring.verify(f"{header}.e30.{text}") is None


def test_a_refresh_key_that_was_not_read_yet_is_missing_and_known_after_an_update(
    fresh: Keyring, state: KeyState
) -> None:
    with pytest.raises(KeyMissing) as missing:
        fresh.refresh_key("two")
    assert "two" in str(missing.value) and missing.value.retry_after >= 1
    fresh.update(replace(state, refresh_keys=(*REFRESH_KEYS, refresh_key("two"))), NOW)
    assert fresh.refresh_key("two") == b"two".ljust(32) and fresh.refresh_key("one") == b"one".ljust(32)


def test_new_logins_use_the_newest_refresh_key_whose_time_has_come(fresh: Keyring, state: KeyState) -> None:
    later, latest = refresh_key("a later one", NOW + 60 * SECOND), refresh_key("the latest", NOW + 120 * SECOND)
    fresh.update(replace(state, refresh_keys=(latest, *REFRESH_KEYS, later)), NOW)
    times = (0, 60 * SECOND - 1, 60 * SECOND, 120 * SECOND - 1, 120 * SECOND)
    newest = [fresh.newest_refresh_key_id(NOW + time) for time in times]
    assert newest == ["one", "one", "a later one", "a later one", "the latest"]
    assert fresh.refresh_key("the latest")  # known before it is used


def test_known_keys_are_not_opened_again(keks: CountingKeys, state: KeyState, keys: dict[str, SigningKey]) -> None:
    keyring = Keyring(KeyStore(keks), state, NOW)
    opened = [keys[name].kid for name in ("active", "pending", "retired")]
    assert sorted(keks.opened) == sorted(["one", *opened])
    keyring.update(replace(state, refresh_keys=(*REFRESH_KEYS, refresh_key("two"))), NOW + 1)
    assert keks.opened[4:] == ["two"]
    swapped = replace(
        state, signing_keys=(replace(keys["pending"], state="active"), replace(keys["active"], state="retired"))
    )
    keyring.update(swapped, NOW + 2)
    assert len(keks.opened) == 5
    assert json.loads(keyring.jwks_document)["keys"][0]["kid"] == keys["pending"].kid
    jwks: Any = keyring.jwks
    verified = jwt.decode(keyring.sign(CLAIMS, NOW + 2), KeySet.import_key_set(jwks), ["RS256"])
    assert verified.header["kid"] == keys["pending"].kid


def test_what_goes_is_forgotten(fresh: Keyring, keys: dict[str, SigningKey]) -> None:
    token = fresh.sign(CLAIMS, NOW)
    fresh.update(KeyState((keys["pending"],), (refresh_key("two"),)), NOW)
    assert fresh.verify(token) is None
    with pytest.raises(KeyMissing):
        fresh.refresh_key("one")


def test_a_key_that_does_not_open_leaves_everything_as_it_was(fresh: Keyring, state: KeyState) -> None:
    published, wrapped = fresh.jwks_document, KeyEncryptionKeys({"another": b"a" * 32}).wrap("two", b"x" * 32)
    broken = replace(state, signing_keys=(), refresh_keys=(*REFRESH_KEYS, RefreshTokenKey("two", wrapped, NOW, NOW)))
    with pytest.raises(Misconfigured, match="keys/kek"):
        fresh.update(broken, NOW + 20 * SECOND)
    assert fresh.jwks_document == published and fresh.sign(CLAIMS, NOW + 30 * SECOND)
    assert fresh.is_stale(NOW + 31 * SECOND)  # and it does not count as read


def test_nothing_shows_a_key(keyring: Keyring) -> None:
    assert "one  " not in repr(keyring) and "one  " not in repr(vars(keyring).get("_private"))


@pytest.mark.parametrize("kid", ["k" * 255, '"' * 255], ids=["plain", "escaped"])
def test_a_header_is_ours_however_long_its_kid_is(kid: str) -> None:
    """So that the keys are read again; imported ones have kids of up to 255 characters."""
    header = json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": kid}, separators=(",", ":"))
    assert is_header(urlsafe_b64encode(header.encode()).rstrip(b"="))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b'"at+jwt"',
        b'{"alg":"RS256","typ":"dpop+jwt","kid":"k"}',
        b'{"alg":"RS256","typ":"at+jwt","kid":"k","jku":"x"}',
        b'{"alg":"RS256", "typ":"at+jwt","kid":"k"}',
        json.dumps({"alg": "RS256", "typ": "at+jwt", "kid": "k" * 1000}, separators=(",", ":")).encode(),
        b"\xff",
    ],
)
def test_for_a_header_that_this_server_never_writes_no_keys_are_read_again(header: bytes) -> None:
    assert not is_header(urlsafe_b64encode(header).rstrip(b"="))
    assert not is_header(b"!")

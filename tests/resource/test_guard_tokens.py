"""Tokens that must be refused, each by its row, with a true signature wherever the signature is not the point."""

import hmac
import json
from base64 import b64encode
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import Guard
from tests.resource.tools import (
    AUDIENCE,
    DROP,
    ISSUER,
    NOW,
    Clock,
    b64,
    claims,
    header_of,
    public,
    rejected,
    sign,
    token_of,
)


def test_a_good_token_says_what_it_says(guard: Guard, key: RSAKey) -> None:
    token = guard.verify(token_of(key, auth_time=NOW - 5, grant_id="grant-1", acr="gold", tenant={"id": [1]}), "read")
    assert (token.subject, token.client_id, token.jti, token.issuer) == ("user-1", "app-1", "token-1", ISSUER)
    assert token.scope == {"read", "write"} and token.audience == (AUDIENCE,)
    assert (token.issued_at, token.expires_at, token.auth_time) == (NOW, NOW + 900, NOW - 5)
    assert (token.acr, token.grant_id, token.claims["tenant"]["id"]) == ("gold", "grant-1", (1,))


@pytest.mark.parametrize("encoding", ["PEM", "DER", "JWK"])
def test_hs256_keyed_with_the_public_key_is_rejected(guard: Guard, key: RSAKey, encoding: Any) -> None:
    jwk = json.dumps(key.as_dict(private=False)).encode()
    secret = jwk if encoding == "JWK" else key.as_bytes(encoding=encoding, private=False)
    signed = sign(key, header_of(key, alg="HS256"), claims()).rsplit(".", 1)[0]
    forged = f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"
    assert rejected(lambda: guard.verify(forged)) == "algorithm not allowed"


@pytest.mark.parametrize(
    "alg", ["none", "None", "HS256", "RS384", "PS256", "ES256", "EdDSA", "", "rs256", 1, None, ["RS256"]]
)
def test_algorithm_outside_the_list(guard: Guard, key: RSAKey, alg: object) -> None:
    forged = sign(key, header_of(key, alg=alg), claims(), "RS256")
    assert rejected(lambda: guard.verify(forged)) == "algorithm not allowed"


def test_algorithm_that_is_not_the_key_s(key: RSAKey, clock: Clock) -> None:
    guard = Guard(ISSUER, AUDIENCE, keys=public(key), algorithms=["RS256", "PS256"], now=clock)
    forged = sign(key, header_of(key, alg="PS256"), claims(), "PS256")
    assert "not for this algorithm" in rejected(lambda: guard.verify(forged))


@pytest.mark.parametrize("keys", [1, 2])
def test_a_token_without_a_kid_is_rejected(key: RSAKey, other_key: RSAKey, clock: Clock, keys: int) -> None:
    guard = Guard(ISSUER, AUDIENCE, keys=public(*[key, other_key][:keys]), now=clock)
    assert "kid" in rejected(lambda: guard.verify(sign(key, header_of(key, kid=DROP), claims())))


@pytest.mark.parametrize("kid", ["k" * 513, "", 7, ["key-1"], None, {}], ids=repr)
def test_kid_that_is_no_name(guard: Guard, key: RSAKey, kid: object) -> None:
    assert "kid" in rejected(lambda: guard.verify(sign(key, header_of(key, kid=kid), claims())))


KIDS = [
    "../../etc/passwd",
    "' OR 1=1 --",
    "https://evil.example/k",
    "https://vault.example/keys/name=/0c:1?v=2#x",
    "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
    "a\0b",
    "key one",
    "ключ",
    "1",
    "k" * 512,
]


@pytest.mark.parametrize("kid", KIDS, ids=range(len(KIDS)))
def test_kid_is_any_string_and_only_compared(guard: Guard, key: RSAKey, clock: Clock, kid: str) -> None:
    token = sign(key, header_of(key, kid=kid), claims())
    assert "no such key" in rejected(lambda: guard.verify(token))
    theirs: Any = {"keys": [{**key.as_dict(private=False), "kid": kid}]}
    assert Guard(ISSUER, AUDIENCE, keys=theirs, now=clock).verify(token).subject == "user-1"


def test_a_thumbprint_of_a_certificate_is_ignored(guard: Guard, key: RSAKey) -> None:
    named = {"x5t": "dGh1bWJwcmludA", "x5t#S256": "dGh1bWJwcmludA"}
    assert guard.verify(sign(key, header_of(key, **named), claims())).subject == "user-1"
    assert rejected(lambda: guard.verify(sign(key, header_of(key, x5t=["x"]), claims()))).startswith("header member")


def test_a_kid_of_10_kb_is_rejected(guard: Guard, key: RSAKey) -> None:
    assert "8 KiB" in rejected(lambda: guard.verify(sign(key, header_of(key, kid="k" * 10_000), claims())))


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "jwk", "X5T", "zip", "cty", "enc", "b64", "kid2"])
def test_header_member_that_brings_its_own_key_or_is_unknown(guard: Guard, key: RSAKey, name: str) -> None:
    values = {"jwk": key.as_dict(private=False), "x5c": [b64encode(b"x").decode()], "b64": False}
    forged = sign(key, header_of(key, **{name: values.get(name, "https://evil.example")}), claims())
    assert rejected(lambda: guard.verify(forged)) == "header member not allowed"


CRITS = [["exp"], ["b64"], [], ["alg"], ["exp", "exp"], 1, None, "exp", [["x"]], {"exp": 1}]


@pytest.mark.parametrize("crit", CRITS, ids=str)
def test_any_crit_is_rejected(guard: Guard, key: RSAKey, crit: object) -> None:
    assert "not allowed" in rejected(lambda: guard.verify(sign(key, header_of(key, crit=crit), claims())))


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt", "Application/At+Jwt", "at+jwt"])
def test_rfc9068_s4_typ_that_is_an_access_token(guard: Guard, key: RSAKey, typ: str) -> None:
    assert guard.verify(sign(key, header_of(key, typ=typ), claims())).subject == "user-1"


@pytest.mark.parametrize(
    "typ", [DROP, "JWT", "dpop+jwt", "logout+jwt", "", "at+jwt ", None, 1, ["at+jwt"], "text/at+jwt"]
)
def test_rfc9068_s4_typ_that_is_not(guard: Guard, key: RSAKey, typ: object) -> None:
    assert "typ" in rejected(lambda: guard.verify(sign(key, header_of(key, typ=typ), claims())))


@pytest.mark.parametrize("typ", [DROP, "JWT"])
def test_an_id_token_is_rejected_as_an_access_token(key: RSAKey, clock: Clock, typ: object) -> None:
    guard = Guard(ISSUER, "app-1", keys=public(key), now=clock)  # even where the audience fits
    id_token = claims(aud="app-1", nonce="n", auth_time=NOW, client_id=DROP, scope=DROP, jti=DROP)
    assert "typ" in rejected(lambda: guard.verify(sign(key, header_of(key, typ=typ), id_token)))
    assert "claim" in rejected(lambda: guard.verify(sign(key, header_of(key), id_token)))


HEADERS = {
    "array": b'["alg"]',
    "string": b'"alg"',
    "number": b"1",
    "null": b"null",
    "empty": b"{}",
    "nothing": b" ",
    "duplicate": b'{"alg":"none","alg":"RS256","kid":"key-1","typ":"at+jwt"}',
    "escaped duplicate": b'{"alg":"RS256","\\u0061lg":"RS256","kid":"key-1","typ":"at+jwt"}',
    "utf-16": '{"alg":"RS256","kid":"key-1","typ":"at+jwt"}'.encode("utf-16"),
    "utf-16-le": '{"alg":"RS256","kid":"key-1","typ":"at+jwt"}'.encode("utf-16-le"),
    "bom": b'\xef\xbb\xbf{"alg":"RS256","kid":"key-1","typ":"at+jwt"}',
    "latin-1": b'{"alg":"RS256","kid":"key-1","typ":"at+jwt\xe9"}',
    "NUL": b'{"alg":"RS256","kid":"key-1","typ":"at+jwt"}\0',
    "two": b'{"alg":"RS256","kid":"key-1","typ":"at+jwt"}{}',
    "surrogate": b'{"alg":"RS256","kid":"\\ud800","typ":"at+jwt"}',
    "1 KiB": b'{"alg":"RS256","kid":"key-1","typ":"at+jwt"' + b" " * 1000 + b"}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_rfc7515_s4_header_that_is_not_one_small_object(guard: Guard, key: RSAKey, header: bytes) -> None:
    assert rejected(lambda: guard.verify(sign(key, header, claims()))) in (
        "the header is not strict JSON",
        "the header is not an object",
        "header larger than 1 KiB",
        "wrong typ for an access token",
    )


@pytest.mark.parametrize(
    "text", [b"[" * 5700, b'{"a":' * 1150, b'{"x":"' + b'\\"' * 20 + b'","a":' + b"[" * 50 + b"]" * 50 + b"}"]
)
def test_deeply_nested_json_is_rejected(guard: Guard, key: RSAKey, text: bytes) -> None:
    assert "payload is not strict JSON" in rejected(lambda: guard.verify(sign(key, header_of(key), text)))
    assert rejected(lambda: guard.verify(sign(key, text[:1000], claims())))


def test_47_000_nested_arrays_are_rejected_by_their_size(guard: Guard, key: RSAKey) -> None:
    assert "8 KiB" in rejected(lambda: guard.verify(sign(key, header_of(key), b"[" * 47_000)))


def test_brackets_in_strings_and_flat_lists_are_no_depth(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, note='[{"' * 99, roles=[{"a": []} for _ in range(40)])).subject


@pytest.mark.parametrize("size", [8193, 2_000_000])
def test_a_token_that_is_too_large_is_rejected_before_it_is_decoded(
    guard: Guard, key: RSAKey, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = token_of(key)
    monkeypatch.setattr("authserver.resource.jws.a2b_base64", None)  # would be a TypeError
    assert "8 KiB" in rejected(lambda: guard.verify(token + "A" * (size - len(token))))


def test_8_kib_are_not_too_large(guard: Guard, key: RSAKey) -> None:
    assert guard.verify(token_of(key, note="x" * 5000)).subject == "user-1"


def test_anything_but_three_segments_is_rejected(guard: Guard, key: RSAKey) -> None:
    header, payload, signature = token_of(key).split(".")
    jwe = ".".join((header, payload, signature, payload, signature))
    flattened = json.dumps({"protected": header, "payload": payload, "signature": signature})
    four, detached = f"{header}.{payload}.{signature}.{signature}", f"{header}..{signature}"
    broken = (
        f"{header}.{payload}",
        four,
        jwe,
        flattened,
        detached,
        f".{payload}.{signature}",
        f"{header}.{payload}.",
        "..",
        "",
        ".",
    )
    for token in broken:
        assert rejected(lambda token=token: guard.verify(token)) == "not three segments"  # type: ignore[misc]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize(
    "spoil", ["{}=", "{}==", " {}", "{}\n", "{}A", "{}!", "+{}", "/{}", "{}\u00e9", "{}\0"], ids=repr
)
def test_rfc7515_s2_base64url_in_another_spelling_is_rejected(guard: Guard, key: RSAKey, part: int, spoil: str) -> None:
    parts = token_of(key).split(".")
    parts[part] = spoil.format(parts[part])
    assert rejected(lambda: guard.verify(".".join(parts)))


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("strange", ["!", "+", "/", "=", "\n", " ", "%"])
def test_rfc7515_s2_base64url_with_other_characters_in_it_is_rejected(
    guard: Guard, key: RSAKey, part: int, strange: str
) -> None:
    parts = token_of(key).split(".")
    parts[part] = parts[part][:40] + strange * 4 + parts[part][40:]  # four: the length stays as it should be
    assert rejected(lambda: guard.verify(".".join(parts))) == "not canonical base64url"


def test_rfc7515_s2_spare_bits_are_zero(guard: Guard, key: RSAKey) -> None:
    token = token_of(key)
    assert token[-1] in "AQgw"  # 256 bytes leave four spare bits
    for last in set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") - {token[-1]}:
        assert rejected(lambda last=last: guard.verify(token[:-1] + last))  # type: ignore[misc]


@pytest.mark.parametrize("token", [1, b"a.b.c", ["a"], object()])
def test_what_is_not_text_is_no_token(guard: Guard, token: Any) -> None:
    assert rejected(lambda: guard.verify(token)) == "not a string"


PAYLOADS = {
    "array": b"[]",
    "string": b'"x"',
    "bytes": b"\xff\xfe",
    "duplicate": json.dumps(claims())[:-1].encode() + b',"sub":"admin"}',
    "nested duplicate": json.dumps(claims())[:-1].encode() + b',"x":{"a":1,"a":2}}',
    "bom": b"\xef\xbb\xbf" + json.dumps(claims()).encode(),
    "surrogate": json.dumps(claims())[:-1].encode() + b',"x":"\\udc00"}',
    "control character": json.dumps(claims())[:-1].encode() + b',"x":"\n"}',
    "1e400": json.dumps(claims())[:-1].encode() + b',"x":[1e400]}',
    "NaN": json.dumps(claims())[:-1].encode() + b',"x":NaN}',
    "utf-16": json.dumps(claims()).encode("utf-16-le"),
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_rfc7519_s4_payload_that_is_not_one_object(guard: Guard, key: RSAKey, payload: bytes) -> None:
    assert "payload" in rejected(lambda: guard.verify(sign(key, header_of(key), payload)))


def test_a_signature_of_another_key_or_token_is_rejected(guard: Guard, key: RSAKey, other_key: RSAKey) -> None:
    forged = sign(other_key, header_of(key), claims(), "RS256")
    assert rejected(lambda: guard.verify(forged)) == "wrong signature"
    first, second = token_of(key).rsplit(".", 1)[0], token_of(key, sub="admin").rsplit(".", 1)[1]
    assert rejected(lambda: guard.verify(f"{first}.{second}")) == "wrong signature"

"""Hashes of other servers. Made by Django itself, or copied from what Keycloak, PHP and OpenBSD's test suite print."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import hashers
from hypothesis import given
from hypothesis import strategies as st

from authserver.foreign_hashes import HashRefused, canonical, matches
from authserver.passwords import PasswordCheck, PasswordHasher

NETWORK = "192.0.2.0/24"
KEYCLOAK = {
    "id": "4e67ce9c-1ddc-45db-b36e-db50ee1f4d9e",
    "type": "password",
    "userLabel": "My password",
    "secretData": '{"value":"9qur72LAICdhFeb2SpkJt2jbOYaxJ44g9T+E7bmJXxI=","salt":"AGHjXoWftkFxnk/dcZRNnA==",'
    '"additionalParameters":{}}',
    "credentialData": '{"hashIterations":27500,"algorithm":"pbkdf2-sha256","additionalParameters":{}}',
}
KEYCLOAK_64 = {
    "secretData": '{"value":"31MudlHfx763mvpL+ZJU/etLgu2qFt0NpX+xyK0f8MCxOagc5N5+LCLQ/lUx8PJA6+eflW/eRQcnqGR7L8qb7w==",'
    '"salt":"SWU35ecF1zm/VYEcvzdNJg=="}',
    "credentialData": '{"hashIterations":27500,"algorithm":"pbkdf2-sha256"}',
}
KEYCLOAK_ARGON2 = {
    "type": "password",
    "secretData": '{"value":"BruFLfFkjH/8erZ26NnrbkOrWiZuQyDRCHD9o0R6Scg=","salt":"Cf9AYCE5pAbb4CKEF0GUTA==",'
    '"additionalParameters":{}}',
    "credentialData": '{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],'
    '"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}',
}
PBKDF2_KEY = bytes.fromhex(
    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
    "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783"
)
SCRYPT_KEY = bytes.fromhex(
    "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
)


def base64(raw: bytes) -> str:
    return b64encode(raw).decode().rstrip("=")


SALT, KEY = "c2FsdHNhbHQ", "A" * 43
LITERAL = {
    "Keycloak": (KEYCLOAK, "user1"),
    "Keycloak's longer key": (KEYCLOAK_64, "admin"),
    "Keycloak since 25": (KEYCLOAK_ARGON2, "password"),
    "Keycloak, its strings parsed": ({name: json.loads(KEYCLOAK_64[name]) for name in KEYCLOAK_64}, "admin"),
    "password_hash() of PHP": ("$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a", "rasmuslerdorf"),
    "bcrypt of OpenBSD": ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    "RFC 7914 s11": (f"$pbkdf2-sha256$i=1${base64(b'salt')}${base64(PBKDF2_KEY)}", "passwd"),
    "RFC 7914 s12": (f"$scrypt$ln=14,r=8,p=1${base64(b'SodiumChloride')}${base64(SCRYPT_KEY)}", "pleaseletmein"),
}


@pytest.fixture(scope="module", autouse=True)
def django() -> None:
    if not django_settings.configured:
        django_settings.configure()


@pytest.fixture(scope="module")
def passwords() -> Iterator[PasswordHasher]:
    passwords = PasswordHasher()
    yield passwords
    passwords.close()


@pytest.mark.parametrize("name", LITERAL)
@pytest.mark.anyio
async def test_a_hash_of_another_server_is_verified_and_replaced(passwords: PasswordHasher, name: str) -> None:
    given, password = LITERAL[name]
    stored = canonical(given)
    assert canonical(stored) == stored
    check = await passwords.match(stored, password, NETWORK)
    assert check.matches and str(check.rehashed).startswith("$argon2id$") and check.rehashed != stored
    assert await passwords.match(check.rehashed, password, NETWORK) == PasswordCheck(True)
    for wrong in (password[:-1], password + "x", password.swapcase(), ""):
        assert await passwords.match(stored, wrong, NETWORK) == PasswordCheck(False)


class Pbkdf2(hashers.PBKDF2PasswordHasher):  # type: ignore[misc]
    iterations = 1000


class BcryptSha256(hashers.BCryptSHA256PasswordHasher):  # type: ignore[misc]
    rounds = 4


class Bcrypt(hashers.BCryptPasswordHasher):  # type: ignore[misc]
    rounds = 4


@pytest.mark.parametrize(
    "hasher", [Pbkdf2, BcryptSha256, Bcrypt, hashers.ScryptPasswordHasher, hashers.Argon2PasswordHasher]
)
@pytest.mark.parametrize("password", ["correct horse battery staple", "пароль 密码 🔑"])
@pytest.mark.anyio
async def test_whatever_django_writes_is_verified_and_replaced(
    passwords: PasswordHasher, hasher: Any, password: str
) -> None:
    made = hasher()
    stored = canonical(made.encode(password, made.salt()))
    check = await passwords.match(stored, password, NETWORK)
    assert check.matches and check.rehashed
    assert not (await passwords.match(stored, password + " ", NETWORK)).matches


def test_bcrypt_ignores_what_follows_72_bytes_as_it_always_did() -> None:
    stored = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"
    password = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    assert matches(stored, password) and matches(stored, password + "chars after 72 are ignored")
    assert not matches(stored, password[:-1])


def keycloak(**data: Any) -> dict[str, str]:
    known = json.loads(KEYCLOAK_ARGON2["credentialData"]) | data
    return KEYCLOAK_ARGON2 | {"credentialData": json.dumps(known)}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "not in a known form. Allowed are Argon2i"),
        ("!Sm4Z", "not in a known form"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "not in a known form"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "not in a known form"),
        ("$6$rounds=5000$salt$hash", "not in a known form"),
        ("$2x$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a", "not in a known form"),
        ("$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1", "not in a known form"),
        ("$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a\n", "not in a known form"),
        ("$2y$16$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a", "has 16 cost. Allowed are 4 to 15"),
        ("$2y$03$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a", "has 3 cost"),
        (f"pbkdf2_sha256$5000001$salt${KEY}=", "has 5000001 iterations. Allowed are 1 to 5000000"),
        (f"pbkdf2_sha256$0$salt${KEY}=", "has 0 iterations"),
        (f"pbkdf2_sha256$1000$salt${'A' * 86}==", "known"),
        (f"$pbkdf2-sha256$i=3000000${SALT}${'A' * 86}", "Allowed are 1 to 2500000"),
        (f"$pbkdf2-md5$i=1000${SALT}${KEY}", "not in a known form"),
        (f"$pbkdf2-sha256$i=1000${SALT}$AAAA", "has 3 bytes. Allowed are 16 to 128"),
        (f"$pbkdf2-sha256$i=1000${SALT}$AAAAA", "not base64"),
        (f"$scrypt$ln=22,r=8,p=1${SALT}${KEY}", "needs 4096 MiB. The maximum is 256 MiB"),
        (f"$scrypt$ln=99,r=8,p=1${SALT}${KEY}", "MiB. The maximum"),
        (f"$scrypt$ln=17,r=8,p=5${SALT}${KEY}", "has 5 lanes (p). Allowed are 1 to 4"),
        (f"$scrypt$ln=17,r=8,p=4${SALT}${KEY}", "known"),
        (f"$scrypt$ln=14,r=0,p=1${SALT}${KEY}", "has 0 blocks (r)"),
        (f"$scrypt$ln=14,r=1,p=1$YQ${KEY}", "known"),
        (f"$scrypt$ln=0,r=8,p=1${SALT}${KEY}", "not a power of two"),
        (f"scrypt$16385$salt$8$1${KEY}=", "not a power of two"),
        (f"$argon2d$v=19$m=65536,t=3,p=4${SALT}${KEY}", "The Argon2 hash is malformed"),
        (f"$argon2id$m=65536,t=3,p=4${SALT}${KEY}", "The Argon2 hash is malformed"),
        (f"$argon2id$v=19$m=1048576,t=1,p=4${SALT}${KEY}", "needs 1024 MiB"),
        (f"$argon2id$v=19$m=65536,t=33,p=4${SALT}${KEY}", "has 33 passes (t). Allowed are 1 to 32"),
        (f"$argon2id$v=19$m=65536,t=1,p=64${SALT}${KEY}", "known"),
        (f"$argon2id$v=19$m=65536,t=3,p=65${SALT}${KEY}", "has 65 lanes (p)"),
        ("x" * 1025, "not in a known form"),
        (None, "not in a known form"),
        (["$2y$10$"], "not in a known form"),
        ({}, "not a password of a Keycloak export"),
        ({"type": "otp", "secretData": '{"value":"x"}', "credentialData": '{"digits":6}'}, "not a password of a"),
        ({"secretData": "[" * 100_000, "credentialData": "{}"}, "not a password of a Keycloak"),
        (keycloak(hashIterations=float("inf")), "not a password of a Keycloak"),
        (keycloak(algorithm="scrypt2"), "not in a known form"),
        (keycloak(hashIterations=10**6), "passes"),
        (keycloak(additionalParameters={}), "not a password of a Keycloak"),
    ],
)
def test_a_hash_that_is_unknown_or_too_costly_is_refused_with_the_reason(given: Any, told: str) -> None:
    if told == "known":
        assert canonical(given) == given
        return
    with pytest.raises(HashRefused) as refused:
        canonical(given)
    assert told in str(refused.value)
    assert "AAAA" not in str(refused.value) and "vGA1O9w" not in str(refused.value)


words = st.sampled_from(
    ["$2b$10$", "$argon2id$v=19$", "pbkdf2_sha256$", "scrypt$", "$scrypt$ln=4,r=1,p=1$", "m=8,t=1,p=1"]
)
pieces = words | st.sampled_from(["$", "=", SALT, KEY, "1", "99", "A" * 53, "bcrypt_sha256$"]) | st.text(max_size=9)


@given(st.lists(pieces, max_size=9).map("".join))
def test_no_stored_text_can_break_a_login(text: str) -> None:
    assert matches(text, "password") is False
    try:
        assert canonical(canonical(text)) == canonical(text)
    except HashRefused:
        assert True


@pytest.mark.parametrize("stored", ["", "!", "$argon2id$", "$argon2id$v=19$m=0,t=0,p=0$AAAA$AAAA", "unknown$1$x"])
@pytest.mark.anyio
async def test_a_stored_hash_of_no_known_algorithm_matches_nothing(passwords: PasswordHasher, stored: str) -> None:
    assert await passwords.match(stored, "password", NETWORK) == PasswordCheck(False)

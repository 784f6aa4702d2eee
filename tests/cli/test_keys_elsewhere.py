"""authserver keys import and keys publish: files as other tools write them, keys that move here with their `kid`."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, RSAKey

OLD = RSAKey.generate_key(2048)
PEM = OLD.as_pem(private=True).decode()
PUBLIC = OLD.as_pem(private=False).decode()
EC = ECKey.generate_key("P-256")
WEAK = (
    rsa.generate_private_key(65537, 1024)
    .public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def jwk(key: Any = OLD, *, private: Any = True, **more: Any) -> str:
    return json.dumps(key.as_dict(private=private) | more)


def file(content: str | bytes) -> str:
    Path("key").write_bytes(content if isinstance(content, bytes) else content.encode())
    return "key"


@pytest.mark.parametrize(
    "content",
    [
        f"Bag Attributes\n    friendlyName: old\nKey Attributes: <No Attributes>\n{PEM}",
        f"# kept by the old server\n\n{PEM}# the end\n",
        f"\ufeff{PEM}",
        f"\ufeff{PEM}".encode("utf-16-le"),
        PEM.replace("\n", "\r\n"),
        f"{PUBLIC}{PEM}",
        f"\ufeff{jwk()}",
    ],
    ids=["pkcs12", "comments", "mark", "utf-16", "crlf", "both parts", "jwk with a mark"],
)
def test_what_other_tools_write_around_a_key_is_ignored(
    data: Callable[..., Any], here: Path, kid_of: Callable[[str], str], content: Any
) -> None:
    data("keys", "import", file(content))
    assert kid_of("pending") == OLD.thumbprint()


def test_a_bundle_that_openssl_wrote_is_imported(
    data: Callable[..., Any], here: Path, kid_of: Callable[[str], str]
) -> None:
    Path("pem").write_text(PEM)
    request = ["req", "-x509", "-key", "pem", "-subj", "/CN=old", "-out", "cert"]
    bundle = ["pkcs12", "-export", "-inkey", "pem", "-in", "cert", "-passout", "pass:x", "-out", "p12"]
    openssl(*request)
    openssl(*bundle)
    openssl("pkcs12", "-in", "p12", "-nodes", "-passin", "pass:x", "-out", "key")
    assert not Path("key").read_text().startswith("-----BEGIN")
    data("keys", "import", "key")
    assert kid_of("pending") == OLD.thumbprint()


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def test_two_private_keys_in_one_file_are_refused(cli: Callable[..., Result], here: Path) -> None:
    two = PEM + RSAKey.generate_key(2048).as_pem(private=True).decode()
    assert "2 private keys" in cli("keys", "import", file(two), code=1).stderr


@pytest.mark.parametrize("dry_run", [["--dry-run"], []])
@pytest.mark.parametrize("kid", ["projects/p/keys/k:1=", "-2024", "x" * 255])
def test_an_imported_key_keeps_the_kid_of_its_file_if_told(
    data: Callable[..., Any], here: Path, kid_of: Callable[[str], str], kid: str, dry_run: Any
) -> None:
    changes = data("keys", "import", file(jwk(kid=kid)), "--keep-kid", *dry_run)["changes"]
    assert [change["kid"] for change in changes if change["change"] == "publish"] == [kid]
    assert dry_run or kid_of("pending") == kid
    assert dry_run or kid in [key["kid"] for key in data("keys", "export-public")["keys"]]


def test_a_pem_has_no_kid_to_keep_and_takes_one_by_option(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path, kid_of: Callable[[str], str]
) -> None:
    assert "--kid KID" in cli("keys", "import", file(PEM), "--keep-kid", code=1).stderr
    assert "not both" in cli("keys", "import", file(jwk(kid="a")), "--keep-kid", "--kid", "b", code=2).stderr
    data("keys", "import", file(PEM), "--kid", "old-1")
    assert kid_of("pending") == "old-1"


@pytest.mark.parametrize("kid", ["", "a b", "x" * 256, "\u00fc", "a\x7f"])
def test_a_kid_that_no_key_can_have_is_refused(cli: Callable[..., Result], here: Path, kid: str) -> None:
    for command in ("import", "publish"):
        content = jwk(private=command == "import", kid="x")
        assert "visible ASCII" in cli("keys", command, file(content), "--kid", kid, code=3).stderr


def test_the_same_key_does_not_come_back_under_another_kid(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path, states: Callable[[], dict[str, str]]
) -> None:
    data("keys", "import", file(jwk(kid="one")), "--keep-kid")
    data("keys", "import", file(RSAKey.generate_key(2048).as_pem(private=True)))
    assert states()["one"] == "removed"
    for command, content in (("import", jwk(kid="two")), ("publish", jwk(private=False, kid="two"))):
        assert "no key is used twice" in cli("keys", command, file(content), "--kid", "two", code=3).stderr


def test_a_public_key_alone_is_published_to_verify_only(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path, states: Callable[[], dict[str, str]]
) -> None:
    done = data("keys", "publish", file(jwk(private=False, kid="old/1")), "--token-ttl", "3600")
    assert [(key["kid"], key["alg"]) for key in done["published"]] == [("old/1", "RS256")]
    assert states()["old/1"] == "retired"
    assert "old/1" in [key["kid"] for key in data("keys", "export-public")["keys"]]
    shown = cli("keys", "list").stdout
    assert "old/1" in shown
    assert "private part of old/1" not in shown
    assert {key["due"].keys().__str__() for key in data("keys", "list") if key["kid"] == "old/1"} == {
        "dict_keys(['removed_at'])"
    }


def test_kids_from_elsewhere_are_shown_whole_since_those_of_one_service_begin_alike(
    cli: Callable[..., Result], here: Path
) -> None:
    kids = ["https://kms.example/keys/1", "https://kms.example/keys/2"]
    keys = [json.loads(jwk(RSAKey.generate_key(2048), private=False, kid=kid)) for kid in kids]
    published = cli("keys", "publish", file(json.dumps({"keys": keys}))).stderr
    seen = cli("keys", "list").stdout
    assert all(f"{kid} (RS256) is published" in published and f"{kid} leaves the key set" in seen for kid in kids)
    assert ", ".join(kids) in seen


def test_a_dry_run_publishes_nothing_and_says_the_same(
    data: Callable[..., Any], cli: Callable[..., Result], here: Path, states: Callable[[], dict[str, str]]
) -> None:
    content = file(PUBLIC)
    rehearsed = data("keys", "publish", content, "--kid", "old", "--dry-run")
    assert "old" not in states()
    done = data("keys", "publish", content, "--kid", "old")
    assert [key["kid"] for key in done["published"]] == [key["kid"] for key in rehearsed["published"]]
    for more in ([], ["--dry-run"]):
        assert "no key is used twice" in cli("keys", "publish", content, "--kid", "old", *more, code=3).stderr


def test_the_signature_keys_of_a_jwk_set_are_published_with_their_kids(
    cli: Callable[..., Result], data: Callable[..., Any], here: Path, states: Callable[[], dict[str, str]]
) -> None:
    encryption = RSAKey.generate_key(2048).as_dict(private=False) | {"use": "enc", "alg": "RSA-OAEP", "kid": "enc"}
    keys = [
        json.loads(jwk(private=False, kid="rsa")),
        json.loads(jwk(EC, private=False, kid="ec", alg="ES256")),
        encryption,
    ]
    file(json.dumps({"keys": keys}))
    assert "--kid is for one" in cli("keys", "publish", "key", "--kid", "x", code=2).stderr
    assert {key["kid"]: key["alg"] for key in data("keys", "publish", "key")["published"]} == {
        "rsa": "RS256",
        "ec": "ES256",
    }
    assert "enc" not in states()


@pytest.mark.parametrize(
    ("content", "code", "why"),
    [
        (PEM, 1, "a private key"),
        (jwk(), 1, "private members"),
        ("{}", 1, '"kty": "RSA"'),
        ('{"keys": []}', 1, "no signing key"),
        ("hello", 1, "neither PEM nor JSON"),
        ("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n", 1, "openssl x509"),
        (PUBLIC * 2, 1, "2 public keys"),
        (WEAK, 3, "1024 bits"),
        (jwk(private=False, alg="HS256"), 3, "RS256"),
        (jwk(ECKey.generate_key("P-384"), private=False, alg="ES256"), 3, "P-256"),
    ],
)
def test_what_is_no_good_public_key_is_refused_and_nothing_is_published(
    cli: Callable[..., Result], here: Path, states: Callable[[], dict[str, str]], content: Any, code: int, why: str
) -> None:
    before = states()
    assert why in cli("keys", "publish", file(content), code=code).stderr
    assert states() == before

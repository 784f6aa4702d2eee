"""Private keys in a PKCS #11 token: what they sign verifies, they never leave it, and what fails is told."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from joserfc.jws import JWSRegistry

from authserver.domain.errors import Misconfigured, Refused, Unavailable
from authserver.keyring import strength
from authserver.keyring.jwk import public_key
from tests.harness.existing import existing
from tests.harness.hsm import MODULES, PIN, Token, needs_softhsm

pkcs11 = pytest.importorskip("pkcs11")
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
numbers = count(1)
pytestmark = needs_softhsm


def ids() -> Any:
    return next(numbers).to_bytes(16)


@pytest.fixture(scope="module")
def token(softhsm: Path) -> Any:
    return Token("keys", PIN)


@pytest.fixture(scope="module")
def service(token: Any) -> Any:
    from authserver.keyring.pkcs11 import Pkcs11

    return Pkcs11(str(MODULES[0]), token.label, token.pin, ids)


def opened(service: Any, alg: Any) -> Any:
    public, kept = service.generate(alg)
    return public, kept, service.open(public["kid"], alg, kept)


def is_good(public: Any, alg: Any, signature: Any, message: Any = b"a message") -> Any:
    return JWSRegistry.algorithms[alg].verify(message, signature, public_key(public))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_each_algorithm_signs_is_verified_with_its_public_jwk(service: Any, alg: str) -> None:
    public, kept, signer = opened(service, alg)
    signatures = [signer.sign(b"a message") for _ in range(3)]
    assert all(is_good(public, alg, signature) for signature in signatures)
    assert not is_good(public, alg, signatures[0], b"another")
    assert public == public | {"alg": alg, "use": "sig", "kid": public_key(public).thumbprint()}
    assert "d" not in public and signer.remote
    assert kept.startswith("pkcs11:token=keys;id=%00") and service.holds(kept)


def test_a_key_with_the_roca_weakness_is_refused_and_destroyed(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strength, "is_roca", lambda modulus: True)
    before = service.present()
    with pytest.raises(Refused, match="ROCA"):
        service.generate("RS256")
    assert service.present() == before


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_the_private_part_cannot_be_had(service: Any, token: Any, alg: str) -> None:
    public, _ = service.generate(alg)
    with pkcs11.lib(str(MODULES[0])).get_token(token_label=token.label).open() as session:
        (key,) = session.get_objects({pkcs11.Attribute.LABEL: f"authserver {public['kid']}"})
        assert key[pkcs11.Attribute.SENSITIVE] and not key[pkcs11.Attribute.EXTRACTABLE]
        secret = {"RSA": pkcs11.Attribute.PRIVATE_EXPONENT}.get(public["kty"], pkcs11.Attribute.VALUE)
        with pytest.raises(pkcs11.AttributeSensitive):
            key[secret]


def test_a_destroyed_key_is_gone_and_may_be_destroyed_again(service: Any) -> None:
    public, kept, signer = opened(service, "ES256")
    assert service.present()[public["kid"]] == kept
    service.destroy(kept)
    service.destroy(kept)
    assert public["kid"] not in service.present()
    with pytest.raises(Unavailable, match="contains no private key"):
        signer.sign(b"a message")


def test_many_threads_sign_at_once(service: Any) -> None:
    public, _, signer = opened(service, "ES256")
    with ThreadPoolExecutor(12) as threads:
        signatures = list(threads.map(lambda _: signer.sign(b"a message"), range(200)))
    assert all(is_good(public, "ES256", signature) for signature in signatures)


def test_after_the_module_has_forgotten_its_sessions_the_next_signature_opens_new_ones(service: Any) -> None:
    public, _, signer = opened(service, "ES256")
    signer.sign(b"a message")
    signer._session._session.close()
    assert is_good(public, "ES256", signer.sign(b"a message"))


def test_a_module_that_keeps_failing_is_unavailable_and_asked_again_later(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, _, signer = opened(service, "ES256")
    calls = []

    def fail(self: Any) -> None:
        calls.append(1)
        raise pkcs11.exceptions.DeviceError

    with monkeypatch.context() as patched:
        patched.setattr(type(signer._session), "_log_in", fail)
        signer._session._session = None
        with pytest.raises(Unavailable, match="'keys' failed: DeviceError"):
            signer.sign(b"a message")
        assert len(calls) == 2
        with pytest.raises(Unavailable):
            service.generate("ES256")
        assert len(calls) == 3  # a key that may have been made is not made twice
    assert is_good(public, "ES256", signer.sign(b"a message"))


def test_a_wrong_pin_is_told_and_not_tried_again_for_a_token_locks_itself(service: Any) -> None:
    from authserver.keyring.pkcs11_session import TokenSession

    for _ in range(2):
        with pytest.raises(Misconfigured, match="AUTHSERVER_PKCS11_PIN_FILE=") as refused:
            TokenSession(str(MODULES[0]), "locked", "wrong")
        assert "wrong" not in str(refused.value)
    failing = TokenSession(str(MODULES[0]), "locked", PIN)
    failing._pin = "wrong"  # as if it had been changed at the HSM, which then was restarted
    existing(failing._session).close()
    failing._session = None
    service._session, kept = failing, service._session
    signer = service.open("kid", "ES256", service._kept(b"id"))
    service._session = kept
    for _ in range(12):
        with pytest.raises(Unavailable, match="PIN"):
            signer.sign(b"a message")
    TokenSession(str(MODULES[0]), "locked", PIN)  # it has not locked itself


def test_a_wrong_setting_is_told_with_the_line_that_fixes_it(service: Any, tmp_path: Path) -> None:
    from authserver.keyring.pkcs11_session import TokenSession

    with pytest.raises(Misconfigured, match=r"has no token 'elsewhere' .*keys.*\n\n    AUTHSERVER_PKCS11_TOKEN="):
        TokenSession(str(MODULES[0]), "elsewhere", "1234")
    (tmp_path / "no-module.so").write_text("nothing")
    for path in (tmp_path / "missing.so", tmp_path / "no-module.so"):
        with pytest.raises(Misconfigured, match="cannot be loaded(.|\n)*AUTHSERVER_PKCS11_MODULE="):
            TokenSession(str(path), "keys", "1234")


def test_a_pin_is_in_no_representation(service: Any) -> None:
    assert "PIN of the tests" not in repr(service) + repr(service._session) + json.dumps(service.present())

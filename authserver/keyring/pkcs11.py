"""Private keys in a hardware security module (PKCS #11, OASIS v2.40): they are generated there and never leave it.

The database contains the key's URI (RFC 7512). This needs the extra `hsm`; it is tested with SoftHSM2.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass, PublicKey, Session
from pkcs11.exceptions import MechanismInvalid, NoSuchKey
from pkcs11.util.ec import encode_named_curve_parameters

from ..domain import base64url, key_rules
from ..domain.errors import KeyMissing, KeyServiceDown, Misconfigured, Refused
from .jwk import imported, public_jwk
from .pkcs11_session import TokenSession
from .signer import PublicJwk, Signer
from .strength import check_public

_LABEL = "authserver "
"""The label of each of our keys is this prefix and its kid."""
_TEMPLATE = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_SIGNS = MechanismFlag.SIGN | MechanismFlag.VERIFY
_PSS = (Mechanism.SHA256, MGF.SHA256, 32)  # RFC 7518 s3.5: the salt is as long as the hash
_CURVES = {
    "ES256": (KeyType.EC, encode_named_curve_parameters("secp256r1")),
    "EdDSA": (KeyType.EC_EDWARDS, b"\x13\x0cedwards25519"),  # PKCS #11 v3.0 s2.3.10: a PrintableString
}
_SIGN: dict[str, Callable[[Any, bytes], bytes]] = {
    "RS256": lambda key, message: key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS),
    "PS256": lambda key, message: key.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=_PSS),
    "ES256": lambda key, message: key.sign(sha256(message).digest(), mechanism=Mechanism.ECDSA),
    "EdDSA": lambda key, message: key.sign(message, mechanism=Mechanism.EDDSA),
}


class Pkcs11:
    """A key service (signer.py): one token of one PKCS #11 module."""

    def __init__(self, module: str, token: str, pin: str, new_id: Callable[[], bytes]) -> None:
        """Takes the module's path, the token's label and its user's PIN. Raises Misconfigured if the module cannot be
        loaded, has no such token, or rejects the PIN."""
        self._session = _session(module, token, pin)
        self._new_id = new_id
        self._prefix = f"pkcs11:token={quote(token, safe='')};id="

    def generate(self, alg: str) -> tuple[PublicJwk, str]:
        id = self._new_id()
        try:
            public = self._session.use(lambda session: _generate(session, alg, id), again=False)
        except KeyServiceDown as error:
            if not isinstance(error.__cause__, MechanismInvalid):
                raise
            raise Refused(f"The PKCS #11 token cannot generate keys for {alg}. Choose another algorithm.") from error
        try:
            check_public(public)
        except Refused:
            self.destroy(self._kept(id))
            raise
        if key_rules.is_generated_kid(public["kid"]):
            return public, self._kept(id)
        self.destroy(self._kept(id))
        return self.generate(alg)

    def holds(self, kept: str) -> bool:
        return kept.startswith(self._prefix)

    def open(self, kid: str, alg: str, kept: str) -> Signer:
        return _InToken(self._session, alg, self._id(kept))

    def destroy(self, kept: str) -> None:
        def destroy(session: Session) -> None:
            for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: self._id(kept)}):
                key.destroy()

        self._session.use(destroy)

    def present(self) -> dict[str, str]:
        def read(session: Session) -> dict[str, bytes]:
            keys = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            return {str(key[Attribute.LABEL]): bytes(key[Attribute.ID]) for key in keys}

        ids = self._session.use(read).items()
        return {label.removeprefix(_LABEL): self._kept(id) for label, id in ids if label.startswith(_LABEL)}

    def _kept(self, id: bytes) -> str:
        return self._prefix + "".join(f"%{byte:02X}" for byte in id)

    def _id(self, kept: str) -> bytes:
        return unquote_to_bytes(kept.removeprefix(self._prefix))


class _InToken:
    remote = True

    def __init__(self, session: TokenSession, alg: str, id: bytes) -> None:
        self._session, self._alg, self._id = session, alg, id
        self._cached: tuple[Session, Any] | None = None

    def sign(self, message: bytes) -> bytes:
        try:
            return self._session.use(lambda session: _SIGN[self._alg](self._key(session), message))
        except Misconfigured as error:  # the PIN was right at startup, but was changed in the HSM
            raise KeyServiceDown(str(error)) from error

    def _key(self, session: Session) -> Any:
        """Look the key up once for each session, since a look-up takes three calls to the HSM."""
        if self._cached is None or self._cached[0] is not session:
            self._cached = session, _find(session, self._id)
        return self._cached[1]


@cache
def _session(module: str, token: str, pin: str) -> TokenSession:
    """Cached, so that a process logs in to each token once."""
    return TokenSession(module, token, pin)


def _find(session: Session, id: bytes) -> Any:  # the package has no type for keys that can sign
    try:
        return session.get_key(object_class=ObjectClass.PRIVATE_KEY, id=id)
    except NoSuchKey as error:
        # another process may have destroyed it after a revocation
        raise KeyMissing(f"The PKCS #11 token contains no private key with the id {id.hex()}.") from error


def _generate(session: Session, alg: str, id: bytes) -> PublicJwk:
    if alg in _CURVES:
        kind, parameters = _CURVES[alg]
        curve = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: parameters}, local=True)
        public, private = curve.generate_keypair(id=id, store=True, capabilities=_SIGNS, private_template=_TEMPLATE)
    else:
        public, private = session.generate_keypair(
            KeyType.RSA, key_rules.RSA_BITS, id=id, store=True, capabilities=_SIGNS, private_template=_TEMPLATE
        )
    jwk = public_jwk(imported(_members(public, alg)), alg)
    private[Attribute.LABEL] = _LABEL + jwk["kid"]
    public.destroy()  # the database contains it
    return jwk


def _members(public: PublicKey, alg: str) -> PublicJwk:
    if alg == "EdDSA":
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(public[Attribute.EC_POINT][-32:])}
    if alg == "ES256":  # an uncompressed point, which some modules wrap in an OCTET STRING: it ends with X and Y
        x, y = public[Attribute.EC_POINT][-64:-32], public[Attribute.EC_POINT][-32:]
        return {"kty": "EC", "crv": "P-256", "x": base64url.encode(x), "y": base64url.encode(y)}
    modulus, exponent = public[Attribute.MODULUS], public[Attribute.PUBLIC_EXPONENT]
    return {"kty": "RSA", "n": base64url.encode(modulus.lstrip(b"\0")), "e": base64url.encode(exponent.lstrip(b"\0"))}

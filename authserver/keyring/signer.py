"""What signs, and where private keys are: two small interfaces, so that a key can be outside this process.

Implemented by database_keys.py (private keys wrapped in the database) and pkcs11.py (private keys in a hardware
security module). A cloud key service would be a third one:

* `generate` creates a key there (AWS KMS CreateKey with RSA_2048 or ECC_NIST_P256 and SIGN_VERIFY, Google Cloud KMS
  CreateCryptoKey, Azure Key Vault create_key), reads its public part as a JWK, and returns the key's name behind a
  scheme of its own, such as `awskms:arn:aws:kms:...`, which `holds` recognises;
* `sign` sends the message, or its SHA-256 where the service takes digests, and makes r || s of ECDSA's DER signature;
  the signer is `remote`, so it is called in a thread, and it raises Unavailable when the service fails;
* `destroy` schedules the key's deletion; `present` lists the keys that carry our tag.

provisioning.open_key_service chooses the service by the settings.
"""

from typing import Protocol

PublicJwk = dict[str, str]


class Signer(Protocol):
    """Signs with one private key, by one algorithm."""

    remote: bool
    """Whether signing leaves this process; if so, it runs in a thread beside the event loop."""

    def sign(self, message: bytes) -> bytes:
        """The signature in the form of a JWS (RFC 7515 s5.1; for ES256 RFC 7518 s3.4, r || s). Raises KeyMissing if the
        key was destroyed, and Unavailable."""


class KeyService(Protocol):
    """Where private keys are generated and stored."""

    def generate(self, alg: str) -> tuple[PublicJwk, str]:
        """Generate a private key for `alg`. Returns its public JWK with kid, alg and use, and what the database stores
        of the private key. Raises Unavailable, and Refused for an algorithm that it does not support."""

    def holds(self, kept: str) -> bool:
        """Whether the key for which the database stores `kept` is here."""

    def open(self, kid: str, alg: str, kept: str) -> Signer:
        """The signer for a key. Raises Misconfigured if these settings give no access to it."""

    def destroy(self, kept: str) -> None:
        """Destroy the private key for good, if it still exists. Raises Unavailable."""

    def present(self) -> dict[str, str]:
        """What the database would store for each of our keys here, by kid. A process that was killed before `destroy`
        may have left some. Raises Unavailable."""

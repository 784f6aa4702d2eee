"""The interfaces for signing (Signer) and for storing private keys (KeyService). They allow keys outside this process.

Implemented by database_keys.py (private keys wrapped in the database) and pkcs11.py (private keys in a hardware
security module). A cloud key service would be a third one:

* `generate` creates a key in the service (AWS KMS CreateKey with RSA_2048 or ECC_NIST_P256 and SIGN_VERIFY, Google
  Cloud KMS CreateCryptoKey, Azure Key Vault create_key), reads its public part as a JWK, and returns the key's name
  with a scheme of its own, such as `awskms:arn:aws:kms:...`, which `holds` recognises;
* `sign` sends the message, or its SHA-256 if the service takes digests, and converts ECDSA's DER signature to r || s;
  the signer is `remote`, so it is called in a thread, and it raises Unavailable when the service fails;
* `destroy` schedules the key's deletion; `present` lists the keys that have our tag.

provisioning.open_key_service chooses the service from the settings.
"""

from typing import Protocol

PublicJwk = dict[str, str]


class Signer(Protocol):
    """Signs with one private key and one algorithm."""

    remote: bool
    """Whether signing calls another system; if so, it runs in a thread outside the event loop."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature as JWS has it (RFC 7515 s5.1; for ES256 r || s, RFC 7518 s3.4). Raises KeyMissing if the
        key was destroyed, and Unavailable if the service fails."""


class KeyService(Protocol):
    """A place where private keys are generated and stored."""

    def generate(self, alg: str) -> tuple[PublicJwk, str]:
        """Generate a private key for `alg`. Returns its public JWK with kid, alg and use, and the text that the
        database stores for the private key. Raises Unavailable, and Refused for an algorithm that the service does not
        support."""

    def holds(self, kept: str) -> bool:
        """Whether this service has the key for which the database stores `kept`."""

    def open(self, kid: str, alg: str, kept: str) -> Signer:
        """Return the signer for a key. Raises Misconfigured if the settings give no access to it."""

    def destroy(self, kept: str) -> None:
        """Destroy the private key for good, if it still exists. Raises Unavailable."""

    def present(self) -> dict[str, str]:
        """Return, by kid, what the database would store for each of our keys in this service. Some may be left over
        from a process that was killed before it called `destroy`. Raises Unavailable."""

"""What signs, and where private keys are kept: two small interfaces, so that a key need not be in this process.

Implemented by sealed.py (private keys sealed in the database) and pkcs11.py (private keys in a hardware security
module). A cloud key service fits as a third one:

* `generate` creates a key there (AWS KMS CreateKey with RSA_2048 or ECC_NIST_P256 and SIGN_VERIFY, Google Cloud KMS
  CreateCryptoKey, Azure Key Vault create_key), reads its public part as a JWK, and returns the key's name behind a
  scheme of its own, such as `awskms:arn:aws:kms:...`, which `holds` knows again;
* `sign` sends the message, or its SHA-256 where the service takes digests, and makes r || s of ECDSA's DER signature;
  the signer is `remote`: it is asked in a thread, and whatever the service cannot do just now is Unavailable;
* `destroy` schedules the key's deletion; `present` lists the keys that carry our tag.

provisioning.open_key_service chooses the service by the settings.
"""

from typing import Protocol

PublicJwk = dict[str, str]


class Signer(Protocol):
    """One private key at work for one algorithm."""

    remote: bool
    """Whether a signature takes a way out of this process: it is then waited for beside the event loop."""

    def sign(self, message: bytes) -> bytes:
        """The signature as it stands in a JWS (RFC 7515 s5.1; of ES256: RFC 7518 s3.4, r || s).
        Raises KeyMissing if the key is gone, and Unavailable."""


class KeyService(Protocol):
    """Where private keys are made and kept."""

    def generate(self, alg: str) -> tuple[PublicJwk, str]:
        """A new private key for `alg`: its public JWK with kid, alg and use; and what the database keeps of the private
        part. Raises Unavailable, and Refused for an algorithm that it cannot."""

    def holds(self, kept: str) -> bool:
        """Whether the key of which the database keeps `kept` is here."""

    def open(self, kid: str, alg: str, kept: str) -> Signer:
        """Raises Misconfigured if the key is not to be had with these settings."""

    def destroy(self, kept: str) -> None:
        """The private part is gone for good; if it was before, that is fine. Raises Unavailable."""

    def present(self) -> dict[str, str]:
        """What the database would keep of each key of ours that is here, by kid: some may be left by a process that was
        killed before it came to `destroy`. Raises Unavailable."""

"""Stores private keys in the database, wrapped."""

import json

from joserfc.jws import JWSRegistry

from .envelope import KeyEncryptionKeys, is_wrapped
from .jwk import Key, generate, imported, public_jwk
from .signer import PublicJwk, Signer


class DatabaseKeys:
    """A key service (signer.py): private keys are generated in this process and stored wrapped."""

    def __init__(self, keks: KeyEncryptionKeys) -> None:
        self._keks = keks

    def generate(self, alg: str) -> tuple[PublicJwk, str]:
        return self.wrap(generate(alg), alg)

    def wrap(self, key: Key, alg: str, kid: str | None = None) -> tuple[PublicJwk, str]:
        """Return what `generate` returns, for an existing key. Its `kid` is its thumbprint unless one is given."""
        public = public_jwk(key, alg, kid)
        return public, self._keks.wrap(public["kid"], json.dumps(key.as_dict(private=True)).encode())

    def holds(self, kept: str) -> bool:
        return is_wrapped(kept)

    def open(self, kid: str, alg: str, kept: str) -> Signer:
        return InProcess(alg, imported(json.loads(self._keks.unwrap(kid, kept))))

    def destroy(self, kept: str) -> None:
        """Do nothing: clearing the row's column destroys the private key."""

    def present(self) -> dict[str, str]:
        return {}  # every key is in the database


class InProcess:
    remote = False

    def __init__(self, alg: str, key: Key) -> None:
        self._algorithm, self._key = JWSRegistry.algorithms[alg], key

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self._algorithm.sign(message, self._key)
        return signature

"""Wraps keys for storage as JWE (RFC 7516, dir with A256GCM) under a set of key-encryption keys."""

import json
from collections.abc import Mapping
from hashlib import sha256

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.registry import HeaderParameter

from ..domain import base64url
from ..domain.errors import Misconfigured

_REGISTRY = jwe.JWERegistry({"row": HeaderParameter("The row that this secret belongs to", "str")}, ["dir", "A256GCM"])


class KeyEncryptionKeys:
    """A set of key-encryption keys: the newest wraps, and each can unwrap."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` maps the source of each 32-byte key (a file, a variable) to the key, oldest first."""
        self._keys = {_id(key): OctKey.import_key(key) for key in keys.values()}
        self._sources = list(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def wrap(self, row: str, secret: bytes) -> str:
        """Encrypt `secret` and bind it to the row's id, so that it cannot be unwrapped in another row."""
        id, key = list(self._keys.items())[-1]
        header = {"alg": "dir", "enc": "A256GCM", "kid": id, "row": row}
        return jwe.encrypt_compact(header, secret, key, registry=_REGISTRY)

    def is_newest(self, wrapped: str) -> bool:
        """Whether the newest key wrapped this."""
        kid: str = json.loads(base64url.decode(wrapped.partition(".")[0]))["kid"]
        return kid == list(self._keys)[-1]

    @property
    def older(self) -> list[str]:
        """The sources of the keys that still unwrap but no longer wrap."""
        return self._sources[:-1]

    def unwrap(self, row: str, wrapped: str) -> bytes:
        """Decrypt what `wrap` returned for that row. Raises Misconfigured, naming the keys that were tried."""
        for key in self._keys.values():
            try:
                opened = jwe.decrypt_compact(wrapped, key, registry=_REGISTRY)
            except (JoseError, ValueError, TypeError):  # the latter two if it is not a JWE at all
                continue
            if opened.headers().get("row") == row and opened.plaintext is not None:
                return opened.plaintext
        raise Misconfigured(self._why_not(row))

    def _why_not(self, row: str) -> str:
        tried = ", ".join(self._sources) or "none: there is no key-encryption key"
        return (
            f"No key-encryption key unwraps the key {row} in the database (tried: {tried}). Restore the file of the "
            "right one, or name its folder:\n\n    AUTHSERVER_KEYS_DIR=/path/to/keys"
        )


def is_wrapped(kept: str) -> bool:
    """Whether the database contains the private key itself. Otherwise it contains the key's URI, which has a colon
    after its scheme; a JWE contains no colon."""
    return ":" not in kept


def _id(key: bytes) -> str:
    return sha256(b"authserver key-encryption key id" + key).hexdigest()[:16]

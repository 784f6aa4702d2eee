"""A key from a passphrase: Argon2id (RFC 9106)."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

from .envelope import KeyEncryptionKeys

LEAST_LENGTH = 12  # characters
_SOURCE = "the passphrase"
_MOST = {"time_cost": 16, "memory_cost": 1024 * 1024, "parallelism": 16}
_LEAST_SALT = 8  # bytes
_LEAST_MEMORY = 8  # KiB for each lane: RFC 9106 s3.1


@dataclass(frozen=True, slots=True)
class Stretching:
    """RFC 9106 s4: the second recommended option. `memory_cost` in KiB."""

    salt: bytes
    time_cost: int = 3
    memory_cost: int = 64 * 1024
    parallelism: int = 4

    def keys(self, passphrase: str) -> KeyEncryptionKeys:
        key = hash_secret_raw(
            passphrase.encode(), self.salt, self.time_cost, self.memory_cost, self.parallelism, 32, Type.ID
        )
        return KeyEncryptionKeys({_SOURCE: key})

    def as_text(self) -> str:
        costs = {name: getattr(self, name) for name in _MOST}
        return json.dumps({"function": "argon2id", "salt": b64encode(self.salt).decode(), **costs})

    @classmethod
    def from_text(cls, text: str) -> "Stretching":
        """Raises ValueError for what this version does not do, and for costs that would choke this machine."""
        given = json.loads(text)
        if not isinstance(given, dict) or given.keys() != {"function", "salt", *_MOST}:
            raise ValueError("not the members of Argon2id")
        if given["function"] != "argon2id" or not all(type(given[name]) is int for name in _MOST):
            raise ValueError("not Argon2id")
        if not all(1 <= given[name] <= most for name, most in _MOST.items()):
            raise ValueError("costs out of bounds")
        salt = b64decode(given["salt"], validate=True)
        if len(salt) < _LEAST_SALT or given["memory_cost"] < _LEAST_MEMORY * given["parallelism"]:
            raise ValueError("less than Argon2id takes")
        return cls(salt, **{name: given[name] for name in _MOST})

"""Derives a key from a passphrase with Argon2id (RFC 9106)."""

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass

from argon2.low_level import Type, hash_secret_raw

from .envelope import KeyEncryptionKeys

MIN_LENGTH = 12  # characters
COST = (3, 64 * 1024, 4)
"""Of a new passphrase: passes, KiB of memory and lanes. RFC 9106 s4, the second recommended option."""
_SOURCE = "the passphrase"
_MAX_COSTS = {"time_cost": 16, "memory_cost": 1024 * 1024, "parallelism": 16}
_MIN_SALT = 8  # bytes
_MIN_MEMORY = 8  # KiB for each lane: RFC 9106 s3.1


@dataclass(frozen=True, slots=True)
class Stretching:
    """The parameters of Argon2id. `memory_cost` is in KiB."""

    salt: bytes
    time_cost: int
    memory_cost: int
    parallelism: int

    @classmethod
    def new(cls, salt: bytes) -> "Stretching":
        return cls(salt, *COST)

    def keys(self, passphrase: str) -> KeyEncryptionKeys:
        key = hash_secret_raw(
            passphrase.encode(), self.salt, self.time_cost, self.memory_cost, self.parallelism, 32, Type.ID
        )
        return KeyEncryptionKeys({_SOURCE: key})

    def as_text(self) -> str:
        costs = {name: getattr(self, name) for name in _MAX_COSTS}
        return json.dumps({"function": "argon2id", "salt": b64encode(self.salt).decode(), **costs})

    @classmethod
    def from_text(cls, text: str) -> "Stretching":
        """Parse what `as_text` returned. Raises ValueError for parameters that this version does not support, and for
        costs that are too high for an ordinary machine."""
        members = json.loads(text)
        if not isinstance(members, dict) or members.keys() != {"function", "salt", *_MAX_COSTS}:
            raise ValueError("not the members of Argon2id")
        if members["function"] != "argon2id" or not all(type(members[name]) is int for name in _MAX_COSTS):
            raise ValueError("not Argon2id")
        if not all(1 <= members[name] <= maximum for name, maximum in _MAX_COSTS.items()):
            raise ValueError("costs out of bounds")
        salt = b64decode(members["salt"], validate=True)
        if len(salt) < _MIN_SALT or members["memory_cost"] < _MIN_MEMORY * members["parallelism"]:
            raise ValueError("less than Argon2id accepts")
        return cls(salt, **{name: members[name] for name in _MAX_COSTS})

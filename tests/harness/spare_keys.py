"""RSA keys that are made once for all tests of a process: to make one takes 50 ms, and to check one 30."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from authserver.keyring import database_keys
from authserver.keyring.jwk import Key, generate, imported


class SpareKeys:
    """Every key that one test makes is another, as always; the next test gets the same ones."""

    def __init__(self) -> None:
        self._free, self._drawn, self._imported = list[Key](), list[Key](), dict[str, Key]()

    def generate(self, alg: str) -> Key:
        if alg not in ("RS256", "PS256"):
            return generate(alg)
        key = self._free.pop() if self._free else generate(alg)
        self._drawn.append(key)
        return key

    def imported(self, members: dict[str, str]) -> Key:
        text = json.dumps(members)
        if text not in self._imported:
            self._imported[text] = imported(members)
        return self._imported[text]

    @contextmanager
    def kept(self) -> Iterator[None]:
        """The keys that are drawn in the meantime are never free again. For a fixture for several tests that is set up
        in the middle of one, by `getfixturevalue`: others come before anything of a test."""
        before = len(self._drawn)
        yield
        del self._drawn[before:]

    @contextmanager
    def taken_back(self) -> Iterator[None]:
        """The keys that are drawn from now on are free again afterwards."""
        self._drawn.clear()
        yield
        self._free += self._drawn
        self._drawn.clear()


SPARE_KEYS = SpareKeys()


@contextmanager
def used() -> Iterator[None]:
    """Let the code in this process draw its keys, and check each one once."""
    spare = SPARE_KEYS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_keys, "generate", spare.generate)
        patch.setattr(database_keys, "imported", spare.imported)
        yield

"""Signs tokens, outside the event loop if the key is outside this process."""

from collections.abc import Awaitable, Callable
from typing import Any

from .keyring import Keyring

InWorker = Callable[..., Awaitable[str]]
"""Calls a signing function outside the event loop."""


class TokenSigner:
    def __init__(self, keyring: Keyring, in_worker: InWorker, steady: Callable[[], int]) -> None:
        self._keyring, self._in_worker, self._steady = keyring, in_worker, steady

    async def sign(self, claims: dict[str, Any], alg: str, typ: str, *, exact: bool = False) -> str:
        """Return the JWT; see `Keyring.sign` for `exact` and the errors."""
        arguments = (claims, self._steady(), alg, typ, exact)
        if self._keyring.is_remote(alg):
            return await self._in_worker(self._keyring.sign, *arguments)
        return self._keyring.sign(*arguments)

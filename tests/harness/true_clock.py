"""Resource servers with a correct clock, which verify each fresh access token with our guard and with PyJWT."""

import asyncio
import base64
import json
from time import monotonic
from typing import Any

import jwt

from authserver.resource import Guard

_WRONG = float("inf")


class TrueClock:
    """Verifies tokens, except while the server's clock is known to be wrong."""

    def __init__(self, issuer: str, ahead: float = 0) -> None:
        """`ahead` is by how many seconds the server's clock may be."""
        self._issuer, self._ahead, self._right_since = issuer, ahead, 0.0
        self._verifiers: dict[str, tuple[Guard, jwt.PyJWKClient]] = {}
        self.verified = 0

    def is_wrong(self) -> None:
        self._right_since = _WRONG

    def is_right(self) -> None:
        self._right_since = monotonic()

    async def complaint(self, token: str, asked_at: float) -> str | None:
        """Return what is wrong with the token that was requested at that moment (monotonic); None if nothing is."""
        if asked_at < self._right_since:
            return None
        try:
            await asyncio.to_thread(self._verify, token)
        except Exception as error:
            return f"a fresh access token was refused: {type(error).__name__}: {getattr(error, 'reason', error)}"
        self.verified += 1
        return None

    def _verify(self, token: str) -> None:
        audience = str(_claims(token)["aud"])
        if audience not in self._verifiers:
            keys = jwt.PyJWKClient(f"{self._issuer}/.well-known/jwks.json")
            self._verifiers[audience] = Guard(self._issuer, audience), keys
        guard, keys = self._verifiers[audience]
        guard.verify(token)
        key = keys.get_signing_key_from_jwt(token)
        jwt.decode(token, key, ["RS256"], issuer=self._issuer, audience=audience, leeway=self._ahead)


def _claims(token: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))

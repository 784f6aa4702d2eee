"""Verifies access tokens with one library, as its users would: verifiers.py NAME JWKS_URI ISSUER AUDIENCE SCALE

Reads lines "SECONDS TOKEN", and answers each with a line "FETCHES REASON": how often the JWKS was fetched so far, and
why the token was rejected. REASON is empty if the token is valid. SECONDS, since 1970, is the time at which it is
judged. Times that a library measures with its own clock are its defaults divided by SCALE.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import jwt as pyjwt
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet

from authserver.resource import Fetched, Guard
from authserver.resource.fetch import fetch as default_fetch

_LIFESPAN = 300  # seconds for which PyJWKClient keeps a key set
_COOLDOWN = 30  # seconds between two fetches for unknown kids
_ALGORITHMS = ["RS256"]


class Verifier(Protocol):
    fetches: int

    def verify(self, token: str, now: float) -> object:
        """Verify the token. Raises whatever the library raises for an invalid one."""


class WithGuard:
    """Our guard. Its clock shows the time in the last line."""

    def __init__(self, uri: str, issuer: str, audience: str, scale: float) -> None:
        self.fetches, self._uri, self._now = 0, uri, 0.0
        self._guard = Guard(issuer, audience, now=lambda: self._now, fetch=self._fetch)

    def verify(self, token: str, now: float) -> None:
        self._now = now
        self._guard.verify(token)

    def _fetch(self, url: str, headers: Mapping[str, str]) -> Fetched:
        self.fetches += url == self._uri  # fetches of the metadata are not counted
        return default_fetch(url, headers)


class WithPyJWT(pyjwt.PyJWKClient):
    def __init__(self, uri: str, issuer: str, audience: str, scale: float) -> None:
        super().__init__(uri, lifespan=_LIFESPAN / scale, cooldown_duration=_COOLDOWN / scale)
        self.fetches, self._issuer, self._audience = 0, issuer, audience

    def verify(self, token: str, now: float) -> None:
        key = self.get_signing_key_from_jwt(token)
        its_clock_is_another: pyjwt.types.Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        claims = pyjwt.decode(
            token, key, _ALGORITHMS, its_clock_is_another, audience=self._audience, issuer=self._issuer
        )
        if claims["exp"] <= now:
            raise pyjwt.ExpiredSignatureError("expired")

    def fetch_data(self) -> Any:
        self.fetches += 1
        return super().fetch_data()


class WithJoserfc:
    """joserfc leaves fetching to its users. Here the key set is kept for the max-age of its response."""

    def __init__(self, uri: str, issuer: str, audience: str, scale: float) -> None:
        self.fetches, self._uri = 0, uri
        self._expected: Any = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": audience},
            "exp": {"essential": True},
        }
        self._fetched_at = self._stale_at = -inf

    def verify(self, token: str, now: float) -> None:
        if now >= self._stale_at:
            self._fetch(now)
        try:
            decoded = jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
        except InvalidKeyIdError:
            if now < self._fetched_at + _COOLDOWN:
                raise
            self._fetch(now)
            decoded = jwt.decode(token, self._keys, algorithms=_ALGORITHMS)
        jwt.JWTClaimsRegistry(now=int(now), **self._expected).validate(decoded.claims)

    def _fetch(self, now: float) -> None:
        self.fetches += 1
        with urllib.request.urlopen(self._uri, timeout=5) as answer:
            self._keys = KeySet.import_key_set(json.load(answer))
            max_age = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
        self._fetched_at, self._stale_at = now, now + (int(max_age[1]) if max_age else 0)


VERIFIERS = {"guard": WithGuard, "PyJWT": WithPyJWT, "joserfc": WithJoserfc}


def answer(verifier: Verifier, seconds: str, token: str) -> str:
    try:
        verifier.verify(token, float(seconds))
    except Exception as error:
        reason = getattr(error, "reason", error)  # the guard's own reason, which is for the log
        return f"{verifier.fetches} {type(error).__name__}: {reason}".replace("\n", " ")
    return f"{verifier.fetches} "


def main(name: str, uri: str, issuer: str, audience: str, scale: str) -> None:
    verifier: Verifier = VERIFIERS[name](uri, issuer, audience, float(scale))  # type: ignore[assignment]
    for line in sys.stdin:
        print(answer(verifier, *line.split()), flush=True)


main(*sys.argv[1:])

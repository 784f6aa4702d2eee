"""How fast an RS256 access token is verified: Guard, PyJWT, joserfc and Authlib in turn, medians and ratios.

Every library verifies the same fresh tokens, one after the other in each round: signature by a key already loaded,
issuer, audience and expiry. Guard does much more than that (README, "What the guard checks"). "repeated" is one token
presented again. The speed of a machine wanders; ratios within a round do not.

    .venv/bin/python scripts/bench/guard.py --rounds 15 --tokens 200
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jwt as pyjwt
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from authserver.resource import Guard

warnings.simplefilter("ignore")  # Authlib's JOSE is deprecated, and still what people have
from authlib.jose import JsonWebKey, JsonWebToken

ISSUER, AUDIENCE = "https://as.example", "https://api.example"
Verify = Callable[[str], Any]


def token(key: RSAKey, jti: str) -> str:
    now = int(time.time())
    names = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u" * 22, "client_id": "app-1", "jti": jti, "grant_id": "g" * 22}
    claims = {**names, "iat": now, "exp": now + 900, "auth_time": now, "scope": "read write"}
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": str(key.kid)}, claims, key)


def verifiers(key: RSAKey) -> dict[str, Callable[[], Verify]]:
    """A fresh verifier of each kind, its key loaded."""
    jwks: dict[str, Any] = {"keys": [key.as_dict(private=False)]}
    public, joserfc_keys, authlib_keys = key.public_key, KeySet.import_key_set(jwks), JsonWebKey.import_key_set(jwks)
    one = {"essential": True}
    expected = {"iss": {**one, "value": ISSUER}, "aud": {**one, "value": AUDIENCE}, "exp": one}
    registry, authlib = jwt.JWTClaimsRegistry(**expected), JsonWebToken(["RS256"])

    def guard() -> Verify:
        made = Guard(ISSUER, AUDIENCE, keys=jwks)
        made.verify(token(key, "warm"))
        return made.verify

    def with_pyjwt(text: str) -> Any:
        return pyjwt.decode(text, public, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)

    def with_joserfc(text: str) -> None:
        registry.validate(jwt.decode(text, joserfc_keys, algorithms=["RS256"]).claims)

    def with_authlib(text: str) -> None:
        authlib.decode(text, authlib_keys, claims_options=expected).validate()

    return {
        "Guard": guard,
        "PyJWT": lambda: with_pyjwt,
        "joserfc": lambda: with_joserfc,
        "Authlib": lambda: with_authlib,
    }


def microseconds(verify: Verify, tokens: list[str]) -> float:
    began = time.perf_counter()
    for text in tokens:
        verify(text)
    return (time.perf_counter() - began) / len(tokens) * 1e6


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    key = RSAKey.generate_key(2048, {"kid": "k" * 43, "alg": "RS256", "use": "sig"})
    tokens, makers = [token(key, f"token-{number}") for number in range(count)], verifiers(key)
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        order = list(makers)[number % len(makers) :] + list(makers)[: number % len(makers)]
        for name in order:
            verify = makers[name]()
            times.setdefault(name, []).append(microseconds(verify, tokens))
            if name == "Guard":
                times.setdefault("Guard, repeated", []).append(microseconds(verify, [tokens[-1]] * count))
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tokens", type=int, default=200, help="fresh tokens in each round")
    arguments = parser.parse_args()
    times = measure(arguments.rounds, arguments.tokens)
    guard = times["Guard"]
    for name, values in times.items():
        ratio = statistics.median(mine / value for mine, value in zip(guard, values, strict=True))
        print(f"{name:16} {statistics.median(values):7.1f} us   {ratio:6.2f} times the speed of Guard")
    fastest = max(
        statistics.median(a / b for a, b in zip(guard, times[name], strict=True))
        for name in ("PyJWT", "joserfc", "Authlib")
    )
    repeated = statistics.median(a / b for a, b in zip(guard, times["Guard, repeated"], strict=True))
    print(
        f"uncached: {1 / fastest:.2f} times the fastest of the others (at least 1); repeated: {repeated:.0f} times (at least 10)"
    )
    return 0 if fastest <= 1 and repeated >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())

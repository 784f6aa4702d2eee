"""Measures how fast an RS256 access token is verified by Guard, PyJWT, joserfc and Authlib.

In each round, every library in turn verifies the same fresh tokens: the signature (with a key that is already loaded),
issuer, audience and expiry. Guard also checks the form of the token and every other claim. "repeated" is one token that
is presented again and again. Times are medians of CPU time. Ratios are compared within a round, because they vary less
than the speed of the machine.

    .venv/bin/python scripts/bench/speed/guard.py --rounds 25 --tokens 200
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv

if __name__ == "__main__":
    use_venv()

import jwt as pyjwt
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry

from authserver.resource import Guard
from scripts.bench.chart import Chart

with warnings.catch_warnings(record=True, action="ignore"):  # Authlib's JOSE is deprecated, but still in use
    from authlib.jose import JsonWebKey, JsonWebToken

ISSUER, AUDIENCE = "https://as.example", "https://api.example"
Verify = Callable[[str], Any]


def token(key: RSAKey, jti: str) -> str:
    now = int(time.time())
    names = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u" * 22, "client_id": "app-1", "jti": jti, "grant_id": "g" * 22}
    claims = {**names, "iat": now, "exp": now + 900, "auth_time": now, "scope": "read write"}
    return jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": str(key.kid)}, claims, key)


def verifiers(key: RSAKey) -> dict[str, Verify]:
    jwks: Any = {"keys": [key.as_dict(private=False)]}
    public, joserfc_keys, authlib_keys = key.public_key, KeySet.import_key_set(jwks), JsonWebKey.import_key_set(jwks)
    expected: dict[str, Any] = {"iss": {"value": ISSUER}, "aud": {"value": AUDIENCE}, "exp": {}}
    for option in expected.values():
        option["essential"] = True
    registry, authlib = jwt.JWTClaimsRegistry(**expected), JsonWebToken(["RS256"])

    def with_pyjwt(text: str) -> Any:
        return pyjwt.decode(text, public, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)

    def with_joserfc(text: str) -> None:
        registry.validate(jwt.decode(text, joserfc_keys, algorithms=["RS256"]).claims)

    def with_authlib(text: str) -> None:
        authlib.decode(text, authlib_keys, claims_options=expected).validate()

    guard = Guard(ISSUER, AUDIENCE, keys=jwks).verify
    return {"Guard": guard, "PyJWT": with_pyjwt, "joserfc": with_joserfc, "Authlib": with_authlib}


def microseconds(verify: Verify, tokens: list[str]) -> float:
    began = time.thread_time()  # other processes on this machine do not count
    for text in tokens:
        verify(text)
    return (time.thread_time() - began) / len(tokens) * 1e6


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    key = RSAKey.generate_key(2048, {"kid": "k" * 43, "alg": "RS256", "use": "sig"})
    verify = verifiers(key)
    for number in range(1100):  # as in a process that has run for a while: Guard's cache of tokens is full
        verify["Guard"](token(key, f"before-{number}"))
    times: dict[str, list[float]] = {}
    for number in range(rounds):
        tokens = [token(key, f"token-{number}-{serial}") for serial in range(count)]
        for turn in range(len(verify)):
            name = list(verify)[(number + turn) % len(verify)]
            times.setdefault(name, []).append(microseconds(verify[name], tokens))
        times.setdefault("Guard, repeated", []).append(microseconds(verify["Guard"], tokens[-1:] * count))
    return times


def speed(rounds: int = 9, count: int = 200) -> tuple[float, float]:
    """Return how many microseconds of CPU Guard takes to verify a fresh token, and how many tokens it verifies while
    the same core makes one RSA-2048 signature. Both are medians."""
    key = RSAKey.generate_key(2048, {"kid": "k" * 43, "alg": "RS256", "use": "sig"})
    algorithm, verify = JWSRegistry.algorithms["RS256"], verifiers(key)["Guard"]
    times, shares = list[float](), list[float]()
    for number in range(rounds):
        tokens = [token(key, f"token-{number}-{serial}") for serial in range(count)]
        times.append(microseconds(verify, tokens))
        shares.append(microseconds(lambda text: algorithm.sign(text.encode(), key), tokens) / times[-1])
    return statistics.median(times), statistics.median(shares)


def against(times: dict[str, list[float]], name: str) -> float:
    """Return how many times as fast `name` is as Guard with a fresh token: the median over the rounds."""
    return statistics.median(mine / its for mine, its in zip(times["Guard"], times[name], strict=True))


def chart(times: dict[str, list[float]]) -> Chart:
    return Chart(
        title="Verifying an access token that was not seen before",
        command="python3 scripts/bench/speed/guard.py",
        unit="microseconds of CPU for each token: less is better",
        bars={name: round(statistics.median(times[name])) for name in ("Guard", "PyJWT", "joserfc", "Authlib")},
        ours=("Guard",),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25, help="default 25")
    parser.add_argument("--tokens", type=int, default=200, help="fresh tokens in each round (default 200)")
    parser.add_argument("--chart", type=Path, help="write the medians to this .json, for scripts/bench/chart.py")
    arguments = parser.parse_args()
    times = measure(arguments.rounds, arguments.tokens)
    if arguments.chart:
        chart(times).save(arguments.chart)
    for name, values in times.items():
        print(f"{name:16} {statistics.median(values):7.1f} us   {against(times, name):6.2f} times as fast as Guard")
    fastest = max(against(times, name) for name in ("PyJWT", "joserfc", "Authlib"))
    repeated = against(times, "Guard, repeated")
    print(f"a fresh token: {1 / fastest:.2f} times as fast as the fastest of the others (at least 1)")
    print(f"a repeated token: {repeated:.0f} times as fast as a fresh one (at least 10)")
    return 0 if fastest <= 1 and repeated >= 10 else 1


if __name__ == "__main__":
    sys.exit(main())

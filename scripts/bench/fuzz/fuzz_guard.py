"""Checks that mutated tokens cause nothing but TokenRejected.

Makes N tokens (1,000,000 by default), each with something wrong: in its text, its header or its claims. Those with a
wrong header or wrong claims have a valid signature (by ES256, which is fast), so that they get past that check. If a
token is accepted, or causes any other exception, it is printed with its seed and its mutation, and the exit code is 1.

    .venv/bin/python scripts/bench/fuzz/fuzz_guard.py 100000 --seconds 60
"""

import argparse
import hmac
import json
import sys
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from authserver.resource import Guard, TokenRejected

ISSUER, AUDIENCE, NOW = "https://as.example", "https://api.example", 1_800_000_000
HEADER = {"alg": "ES256", "kid": "ec", "typ": "at+jwt"}
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "user-1",
    "client_id": "app-1",
    "jti": "token-1",
    "iat": NOW,
    "exp": NOW + 900,
    "scope": "read write",
    "auth_time": NOW,
    "acr": "1",
    "grant_id": "g",
    "nbf": NOW,
}
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STRANGE = "=+/., \t\n\r\0\"'\\{}[]%\u00e9\u2028\ud800\U0001f600\ufeff"
NOTHING = object()
TEXTS = [NOTHING, None, "", 0, 1, -1, True, False, 1.5, [], {}, [""], [None], {"a": "b"}]
TIMES = [NOTHING, None, "", "9", True, False, -1, -0.5, 2**53, 10**400, [], {}, [NOW], str(NOW + 900)]
RAW = ["1e400", "-1e999", "NaN", "Infinity", "-Infinity", "01", "0x1", "'a'", "1.", "9" * 4301, '"\\ud800"', '"\n"']
NOBODY: list[Any] = [NOTHING, None, "", 0, True, [], {}, [""], [None], "https://other.example"]
WRONG: dict[str, list[Any]] = {
    "iss": [*TEXTS, f"{ISSUER}/", "https://evil.example", [ISSUER], ISSUER.upper()],
    "aud": [*NOBODY, [AUDIENCE, 1], {AUDIENCE: 1}, [[AUDIENCE]]],
    "sub": TEXTS,
    "client_id": TEXTS,
    "jti": TEXTS,
    "acr": TEXTS[1:],
    "grant_id": TEXTS[1:],
    "scope": [None, 0, True, ["read"], {"read": 1}, " ", "a  b", " a", 'a"', "a\\", "a\n", "\u00e9"],
    "exp": [*TIMES, NOW, NOW - 1, 0, 1.0],
    "iat": [*TIMES, NOW + 61, 2**52],
    "nbf": [*TIMES[1:], NOW + 61, 2**52],
    "auth_time": TIMES[1:],
    "cnf": [None, {}, {"jkt": "x"}, 1, ""],
}
WRONG_HEADER: dict[str, list[Any]] = {
    "alg": [*TEXTS, "none", "None", "HS256", "RS384", "PS256", "ES384", "ES256K", "es256", "RS256", "A128KW"],
    "x5t": [None, 0, True, [], {}, ["x"]],
    "kid": [*TEXTS, "rsa", "../x", "a b", "a\0", "k" * 513, "unknown", "ec "],
    "typ": [*TEXTS, "JWT", "jwt", "at+jwt ", "dpop+jwt", "at+JWE", "text/at+jwt"],
}
FOREIGN = ["jku", "x5u", "x5c", "jwk", "crit", "b64", "zip", "enc", "cty", "epk", "p2c", "ALG", "", "\0"]


class Forge:
    """The keys of an issuer, a guard that trusts them, and one valid token of each kind."""

    def __init__(self) -> None:
        self.ec = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig", "alg": "ES256"})
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig", "alg": "RS256"})
        jwks: dict[str, object] = {"keys": [key.as_dict(private=False) for key in (self.ec, self.rsa)]}
        self.guard = Guard(ISSUER, AUDIENCE, keys=jwks, algorithms=["RS256", "ES256"], now=lambda: NOW)
        rsa_header = json.dumps({**HEADER, "alg": "RS256", "kid": "rsa"}).encode()
        payload = json.dumps(CLAIMS).encode()
        self.good = [self.sign(json.dumps(HEADER).encode(), payload), self.sign(rsa_header, payload, self.rsa)]
        self.secrets = [
            self.rsa.as_bytes(encoding="PEM", private=False),
            self.rsa.as_bytes(encoding="DER", private=False),
            json.dumps(self.rsa.as_dict(private=False)).encode(),
            b"",
        ]

    def sign(self, header: bytes, payload: bytes, key: ECKey | RSAKey | None = None) -> str:
        key = key or self.ec
        signed = f"{b64(header)}.{b64(payload)}"
        return f"{signed}.{b64(JWSRegistry.algorithms[str(key.alg)].sign(signed.encode(), key))}"


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


# Each mutation takes the forge and a source of randomness, and returns a token that must be rejected.


def changed_characters(forge: Forge, rng: Random) -> str:
    token = list(rng.choice(forge.good))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        place = rng.randrange(len(token))
        kind = rng.randrange(4)
        if kind == 0:
            token[place] = rng.choice(BASE64)
        elif kind == 1:
            token[place] = rng.choice(STRANGE)
        elif kind == 2:
            token.insert(place, rng.choice(BASE64 + STRANGE))
        elif len(token) > 1:
            del token[place]
    return "".join(token)


def flipped_bit(forge: Forge, rng: Random) -> str:
    token = bytearray(rng.choice(forge.good).encode())
    token[rng.randrange(len(token))] ^= 1 << rng.randrange(8)
    return token.decode("latin-1")


def moved_segments(forge: Forge, rng: Random) -> str:
    first, second = (token.split(".") for token in rng.sample(forge.good, 2))
    pool = [*first, *second, "", "A", "e30", "bnVsbA"]
    count = rng.choice((1, 2, 3, 3, 3, 4, 5))
    return ".".join(rng.choice(pool) for _ in range(count))


def cut(forge: Forge, rng: Random) -> str:
    token = rng.choice(forge.good)
    start, end = sorted((rng.randrange(len(token) + 1), rng.randrange(len(token) + 1)))
    return rng.choice(
        (token[:end], token[start:], token[start:end], token[:start] + token[end:], token * rng.choice((2, 20)))
    )


def wrong_signature(forge: Forge, rng: Random) -> str:
    signed = rng.choice(forge.good).rsplit(".", 1)[0]
    size = rng.choice((0, 1, 32, 63, 64, 65, 71, 255, 256, 257))
    signature = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size), bytes(max(size - 1, 0)) + b"\1"))
    return f"{signed}.{b64(signature)}"


def symmetric(forge: Forge, rng: Random) -> str:
    header = {**HEADER, "kid": rng.choice(("ec", "rsa")), "alg": rng.choice(("HS256", "RS256", "ES256", "none"))}
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(CLAIMS).encode())}"
    return f"{signed}.{b64(hmac.digest(rng.choice(forge.secrets), signed.encode(), 'sha256'))}"


def wrong_header(forge: Forge, rng: Random) -> str:
    header: dict[str, Any] = dict(HEADER)
    if rng.random() < 0.6:
        name = rng.choice(list(WRONG_HEADER))
        replace(header, name, rng.choice(WRONG_HEADER[name]))
    else:
        header[rng.choice(FOREIGN)] = rng.choice(
            TEXTS[1:] + [["b64"], ["alg"], "https://evil.example", forge.rsa.as_dict()]
        )
    return forge.sign(json.dumps(header).encode(), json.dumps(CLAIMS).encode())


def wrong_claim(forge: Forge, rng: Random) -> str:
    claims: dict[str, Any] = dict(CLAIMS)
    for name in rng.sample(list(WRONG), rng.choice((1, 1, 1, 2, 4))):
        replace(claims, name, rng.choice(WRONG[name]))
    return forge.sign(json.dumps(HEADER).encode(), json.dumps(claims).encode())


def replace(members: dict[str, Any], name: str, value: Any) -> None:
    if value is NOTHING:
        members.pop(name, None)
    else:
        members[name] = value


def wrong_json(forge: Forge, rng: Random) -> str:
    parts = [json.dumps(HEADER), json.dumps(CLAIMS)]
    which = rng.randrange(2)
    text = parts[which]
    name = rng.choice(list((HEADER, CLAIMS)[which]))
    kinds: list[Callable[[], bytes]] = [
        lambda: (text[:-1] + f', "{name}": {json.dumps((HEADER, CLAIMS)[which][name])}}}').encode(),
        lambda: (text[:-1] + f', "\\u{ord(name[0]):04x}{name[1:]}": 1}}').encode(),
        lambda: (text[:-1] + f', "x": {rng.choice(RAW)}}}').encode("utf-8", "surrogatepass"),
        lambda: b"\xef\xbb\xbf" + text.encode(),
        lambda: text.encode(rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32"))),
        lambda: (text[:-1] + ', "x": ' + nest(rng, rng.choice((17, 100, 900))) + "}").encode(),
        lambda: text[: rng.randrange(len(text))].encode(),
        lambda: text.encode() + rng.choice((b"{}", b"\0", b",", b"x", b"\xff", b"]")),
        lambda: text.encode().replace(b'"', rng.choice((b"'", b"\xff", b""))),
        lambda: rng.choice((b"[]", b"null", b"1", b'""', b"", b" ", b"{}", b"[{}]", b"{", b"\xff")),
    ]
    parts_bytes = [part.encode() for part in parts]
    parts_bytes[which] = rng.choice(kinds)()
    header, payload = parts_bytes
    return forge.sign(header, payload)


def nest(rng: Random, depth: int) -> str:
    opening = rng.choice(("[", '{"a":'))
    return opening * depth + "1" + ("]" if opening == "[" else "}") * (depth if rng.random() < 0.8 else 0)


def noise(_forge: Forge, rng: Random) -> str:
    size = rng.choice((0, 1, 10, 200, 9000))
    alphabet = rng.choice((BASE64 + ".", BASE64 + STRANGE + "..", "."))
    return "".join(rng.choices(alphabet, k=size))


MUTATIONS: list[Callable[[Forge, Random], str]] = [
    changed_characters,
    flipped_bit,
    moved_segments,
    cut,
    wrong_signature,
    symmetric,
    wrong_header,
    wrong_claim,
    wrong_json,
    noise,
]


def mutate(forge: Forge, rng: Random) -> tuple[str, str]:
    """Return the name of a mutation and the token that it made. This is never one of the valid tokens."""
    while True:
        mutation = rng.choice(MUTATIONS)
        token = mutation(forge, rng)
        if token not in forge.good:
            return mutation.__name__, token


def judge(forge: Forge, token: str) -> tuple[bool, str]:
    """Return whether the guard rejects `token` as it should, and its reason or what it did instead."""
    try:
        forge.guard.verify(token)
    except TokenRejected as rejected:
        return True, rejected.reason
    except BaseException as error:  # what this script looks for
        return False, f"raised {error!r}"
    return False, "accepted"


def fuzz(count: int, seconds: float, first: int) -> tuple[Counter[str], int]:
    """Return how often each reason occurred, and the number of failures. Stops after `count` tokens, or after
    `seconds`. Each token has a seed of its own, from `first` on."""
    forge, seen, failures, start = Forge(), Counter[str](), 0, monotonic()
    if any(judge(forge, token)[0] for token in forge.good):
        raise SystemExit("The valid tokens are rejected: this run would prove nothing.")
    for seed in range(first, first + count):
        if monotonic() - start > seconds:
            break
        kind, token = mutate(forge, Random(seed))
        refused, reason = judge(forge, token)
        seen[reason] += 1
        if not refused:
            failures += 1
            print(f"seed {seed}, {kind}: {reason}: {token[:400]!r}")
    return seen, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=1_000_000, metavar="N", help="tokens (default 1,000,000)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this many seconds")
    parser.add_argument("--seed", type=int, default=1, help="the first seed; each token has its own (default 1)")
    arguments = parser.parse_args()
    start = monotonic()
    seen, failures = fuzz(arguments.count, arguments.seconds, arguments.seed)
    for reason, number in seen.most_common():
        print(f"{number:>9,}  {reason}")
    print(f"{seen.total():,} tokens in {monotonic() - start:.0f} s: {failures} did anything but raise TokenRejected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""Runs the server as `authserver serve` does, and measures it: python timed_server.py serve --port N.

GET /_bench returns the CPU seconds of this process, and how many of them it spent in signatures.
GET /_bench?signatures=SECONDS also makes RSA-2048 signatures with the same library, on the same core, for that long,
and returns how many it makes in a second; ?password_checks=SECONDS checks passwords instead.
`python timed_server.py --raw signatures SECONDS` prints the same without running a server.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import argon2
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from authserver.cli import main
from authserver.keyring.database_keys import InProcess
from authserver.passwords import COST
from authserver.serving import configuration

_RS256 = JWSRegistry.algorithms["RS256"]
_KEY = RSAKey.generate_key(2048)
_PASSWORD = "correct horse battery staple"
_HASHER = argon2.PasswordHasher(*COST, parallelism=1, type=argon2.Type.ID)
_HASH = _HASHER.hash(_PASSWORD)
_signing = {"seconds": 0.0}


class _TimedAlgorithm:
    """Times only the signature, because everything around it is the server's own work."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def sign(self, message: bytes, key: Any) -> bytes:
        began = time.thread_time()
        signature: bytes = self._algorithm.sign(message, key)
        _signing["seconds"] += time.thread_time() - began
        return signature

    def __getattr__(self, name: str) -> Any:
        return getattr(self._algorithm, name)


def sign() -> None:
    _RS256.sign(b"x" * 500, _KEY)


def check_password() -> None:
    _HASHER.verify(_HASH, _PASSWORD)


RAW = {"signatures": sign, "password_checks": check_password}


def raw(work: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Return how many times a second this process can do `work` if it does nothing else, and the CPU microseconds that
    each time takes."""
    done, began, began_cpu = 0, time.perf_counter(), time.thread_time()
    while time.perf_counter() - began < seconds:
        work()
        done += 1
    return done / (time.perf_counter() - began), (time.thread_time() - began_cpu) / done * 1e6


def _measured(create_app: Any) -> Any:
    def create(*arguments: Any) -> Any:
        app = create_app(*arguments)

        async def measured(scope: Any, receive: Any, send: Any) -> None:
            if scope.get("path") != "/_bench":
                await app(scope, receive, send)
                return
            query = parse_qs(scope["query_string"].decode())
            measures: dict[str, Any] = {"cpu": time.process_time(), "signing": _signing["seconds"]}
            measures |= {kind: raw(RAW[kind], float(seconds)) for kind, (seconds,) in query.items()}
            body = json.dumps(measures).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return measured

    return create


def serve() -> None:
    init = InProcess.__init__

    def timed_init(self: InProcess, *arguments: Any) -> None:
        init(self, *arguments)
        self._algorithm = _TimedAlgorithm(self._algorithm)  # type: ignore[assignment]

    InProcess.__init__ = timed_init  # type: ignore[assignment, method-assign]
    configuration.create_worker_app = _measured(configuration.create_worker_app)
    main()


if __name__ == "__main__":
    if sys.argv[1] == "--raw":
        print(*raw(RAW[sys.argv[2]], float(sys.argv[3])))
    else:
        serve()

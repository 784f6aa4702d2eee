"""The server as `authserver serve` runs it, timing itself: python timed_server.py serve --port N.

GET /_bench answers the CPU seconds of this process, those of them spent in RSA signatures, and its memory;
GET /_bench?raw=SECONDS signs with the same library on the same core for so long and answers signatures per second.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from authserver.cli import main
from authserver.keyring.database_keys import InProcess
from authserver.serving import configuration

_RS256 = JWSRegistry.algorithms["RS256"]
_KEY = RSAKey.generate_key(2048)
_signing = {"seconds": 0.0}


class _TimedAlgorithm:
    """Times the signature alone: what stands around it is the server's own work."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    def sign(self, message: bytes, key: Any) -> bytes:
        began = time.thread_time()
        signature: bytes = self._algorithm.sign(message, key)
        _signing["seconds"] += time.thread_time() - began
        return signature

    def __getattr__(self, name: str) -> Any:
        return getattr(self._algorithm, name)


def raw(seconds: float) -> float:
    """RSA-2048 signatures a second, by the library that the server signs with."""
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        _RS256.sign(b"x" * 500, _KEY)
        done += 1
    return done / (time.perf_counter() - began)


def _memory() -> int:
    """Resident bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _measured(create_app: Any) -> Any:
    def create(*arguments: Any) -> Any:
        app = create_app(*arguments)

        async def measured(scope: Any, receive: Any, send: Any) -> None:
            if scope.get("path") != "/_bench":
                await app(scope, receive, send)
                return
            seconds = parse_qs(scope["query_string"].decode()).get("raw")
            measures = {"cpu": time.process_time(), "signing": _signing["seconds"], "memory": _memory()}
            measures |= {"raw": raw(float(seconds[0]))} if seconds else {}
            body = json.dumps(measures).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return measured

    return create


if __name__ == "__main__":
    init = InProcess.__init__

    def timed_init(self: InProcess, *arguments: Any) -> None:
        init(self, *arguments)
        self._algorithm = _TimedAlgorithm(self._algorithm)  # type: ignore[assignment]

    InProcess.__init__ = timed_init  # type: ignore[assignment, method-assign]
    configuration.create_worker_app = _measured(configuration.create_worker_app)
    main()

"""A process that forks while its threads verify; `test_guard_forks.py` starts it and reads what it prints.

It imports nothing of the tests, so that it starts fast. A child that hangs is killed by its own alarm.
"""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from threading import Event, Thread
from typing import Any

from authserver.resource import Fetched, Guard

PATIENCE = 60  # seconds for a child, on a machine however busy
ISSUER, AUDIENCE = "https://as.example", "https://api.example"


def keep_verifying(guard: Guard, tokens: list[str]) -> None:
    """Two threads that do nothing else, so that a fork finds them anywhere."""

    def work() -> None:
        while True:
            for token in tokens:
                guard.verify(token)

    for _ in range(2):
        Thread(target=work, daemon=True).start()


def fork(guard: Guard, token: str) -> int:
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            os._exit(0 if guard.verify(token).subject == "user-1" else 2)
        except BaseException:
            os._exit(1)
    return child


def exit_codes(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def busy(jwks: Any, tokens: list[str], fresh: str) -> list[int]:
    guard = Guard(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/jwks", fetch=lambda url, headers: answer(jwks))
    guard.verify(tokens[0])
    keep_verifying(guard, tokens)
    children = []
    for _ in range(60):
        Event().wait(0.002)  # lets the threads run, wherever the next fork then finds them
        children.append(fork(guard, fresh))
    return exit_codes(children)


def first_fetch(jwks: Any, tokens: list[str], fresh: str) -> list[int]:
    """The fork happens while the first fetch runs, which is never answered in the parent."""
    parent, begun = os.getpid(), Event()

    def fetch(url: str, headers: Mapping[str, str]) -> Fetched:
        if os.getpid() == parent:
            begun.set()
            Event().wait()
        return answer(jwks)

    guard = Guard(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/jwks", fetch=fetch)
    Thread(target=guard.verify, args=(fresh,), daemon=True).start()
    begun.wait()
    return exit_codes([fork(guard, fresh)])


def unknown_kid(jwks: Any, tokens: list[str], fresh: str) -> list[int]:
    """The fork happens while a fetch for a new key runs: the child must ask for that key itself."""
    parent, asked = os.getpid(), []
    begun = Event()

    def fetch(url: str, headers: Mapping[str, str]) -> Fetched:
        asked.append(url)
        if len(asked) == 2 and os.getpid() == parent:
            begun.set()
            Event().wait()
        return answer(jwks if len(asked) > 1 else {"keys": jwks["keys"][:1]})

    guard = Guard(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/jwks", fetch=fetch)
    guard.verify(tokens[0])
    Thread(target=guard.verify, args=(fresh,), daemon=True).start()  # signed by the second key
    begun.wait()
    return exit_codes([fork(guard, fresh)])


def lock_held(jwks: Any, tokens: list[str], fresh: str) -> list[int]:
    """Another thread decides whether a fetch is due, which it does under the guard's only lock."""
    guard = Guard(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/jwks", fetch=lambda url, headers: answer(jwks))
    verifier: Any = guard._verifier
    lock = verifier._only.keys._lock
    Thread(target=lock.acquire).start()
    while not lock.locked():
        Event().wait(0.001)
    return exit_codes([fork(guard, fresh)])


def processes(jwks: Any, tokens: list[str], fresh: str) -> list[int | None]:
    guard = Guard(ISSUER, AUDIENCE, jwks_uri=f"{ISSUER}/jwks", fetch=lambda url, headers: answer(jwks))
    guard.verify(tokens[0])
    keep_verifying(guard, tokens)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=in_process, args=(guard, fresh)) for _ in range(30)]
    for child in children:
        Event().wait(0.002)
        child.start()
    for child in children:
        child.join(PATIENCE)
    return [child.exitcode for child in children]


def in_process(guard: Guard, token: str) -> None:
    signal.alarm(PATIENCE)
    guard.verify(token)


def answer(jwks: Any) -> Fetched:
    return Fetched(200, {}, json.dumps(jwks).encode())


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](**json.load(sys.stdin))), flush=True)
    os._exit(0)  # its threads never end

"""A network that is a function: answers by URL, counts, and fails on demand."""

from collections.abc import Callable, Mapping
from typing import Any

from authserver.resource import Fetched, Guard
from authserver.resource.keys import FetchedKeys
from authserver.resource.source import Source
from tests.harness.existing import existing
from tests.resource.tools import AUDIENCE, ISSUER, Clock, reply

JWKS = f"{ISSUER}/jwks"


class Network:
    """Answers by URL, counts, and fails on demand."""

    def __init__(self, jwks: dict[str, Any], **fields: str) -> None:
        self.jwks, self.fields, self.down = (
            jwks,
            {name.replace("_", "-"): value for name, value in fields.items()},
            False,
        )
        self.seen: list[Mapping[str, str]] = []

    def __call__(self, url: str, headers: Mapping[str, str]) -> Fetched:
        self.seen.append(headers)
        if self.down:
            raise OSError("no route to host")
        if headers.get("If-None-Match") == self.fields.get("etag", ""):
            return Fetched(304, self.fields, b"")
        return Fetched(200, self.fields, reply(self.jwks)[2])


def make(network: Network, clock: Clock, spawn: Callable[[Callable[[], None]], None] | None = None) -> FetchedKeys:
    load = Source(ISSUER, JWKS, network, clock).load
    return FetchedKeys(load, frozenset({"RS256"}), clock, spawn or (lambda work: work()))


def guard_with(network: Network, clock: Clock | None) -> Guard:
    """A guard whose fetches are over before it goes on: nothing in these tests hangs on how busy the machine is.

    Without a `clock`, it goes by the machine's.
    """
    guard = Guard(ISSUER, AUDIENCE, jwks_uri=JWKS, now=clock, fetch=network)
    fetched_keys(guard)._spawn = lambda work: work()
    return guard


def fetched_keys(guard: Guard) -> FetchedKeys:
    """Those of a guard of one issuer."""
    keys = existing(guard._verifier._only).keys
    assert isinstance(keys, FetchedKeys)
    return keys


def found(keys: FetchedKeys, kid: str) -> bool:
    return keys.find(kid, wait=True) is not None

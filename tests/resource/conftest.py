"""Keys, a clock and an issuer for the guard's tests; nothing here needs the rest of the server."""

from collections.abc import Iterator

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import Guard
from tests.resource.tools import AUDIENCE, ISSUER, Clock, LocalIssuer, make_key, public, serve, settle


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def key() -> RSAKey:
    return make_key("key-1")


@pytest.fixture(scope="session")
def other_key() -> RSAKey:
    return make_key("key-2")


@pytest.fixture
def guard(key: RSAKey, clock: Clock) -> Guard:
    """A guard with its keys handed in."""
    return Guard(ISSUER, AUDIENCE, keys=public(key), now=clock)


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with serve(LocalIssuer()) as local:
        yield local
        local.hold.set()
        settle()

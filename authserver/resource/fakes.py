"""Tokens that tests use instead of real ones: `Guard.fake`.

A fake belongs to the context (contextvars) in which it was made: to its thread and task, to the tasks that these start,
and to what `asyncio.to_thread` and the test clients of the frameworks run for them. Tests that run at the same time, in
other tasks or threads, do not see it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from .token import AccessToken

# By guard. One variable for all: a context never forgets one that it has seen.
_FAKES: ContextVar[Mapping[object, AccessToken] | None] = ContextVar("authserver_fakes", default=None)


def fake_of(guard: object) -> AccessToken | None:
    fakes = _FAKES.get()
    return fakes.get(guard) if fakes else None


@contextmanager
def faked(guard: object, token: AccessToken) -> Iterator[None]:
    before = _FAKES.get()
    _FAKES.set({**(before or {}), guard: token})
    try:
        yield
    finally:
        _FAKES.set(before)  # not reset: an asynchronous fixture may end in another context than it began in

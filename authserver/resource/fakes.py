"""Fake tokens for tests: `Guard.fake`.

A fake belongs to the context (contextvars) in which it was made: to its thread and task, to the tasks that these start,
and to the code that `asyncio.to_thread` and the frameworks' test clients run for them. Tests that run at the same time,
in other tasks or threads, do not see it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from .token import AccessToken

# Fakes by guard. All guards share one variable, because a context never releases a variable that it has seen.
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
        _FAKES.set(before)  # not reset(): an asynchronous fixture may end in another context than it began in

"""Calls the operator's function for claims that the database does not hold, in a bounded number of calls at a time."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from inspect import iscoroutinefunction
from pathlib import Path
from traceback import extract_tb
from typing import Any

import structlog

from .domain import claim_rules
from .domain.claim_rules import ClaimsRefused
from .domain.errors import Misconfigured, Unavailable
from .pool import Pool

log: Any = structlog.get_logger("authserver")
_THREADS = 8
_QUEUE = 128  # calls that may wait, and coroutines that may run
_RETRY_AFTER = 2  # seconds
_NOT_FOUND = """AUTHSERVER_CLAIMS_HOOK={reference} cannot be used: {fault}. It names a function in a module that is
installed, or in the working folder ({folder}). For the function claims_of in my_claims.py:

    AUTHSERVER_CLAIMS_HOOK=my_claims:claims_of"""


@dataclass(frozen=True, slots=True)
class HookCall:
    """What the function is told about the token."""

    subject: str
    username: str
    client_id: str
    scope: tuple[str, ...]
    claims: Mapping[str, Any]
    """All claims of the user in the database."""
    names: tuple[str, ...]
    """The claims that the client's tokens may contain."""


def load(reference: str) -> Callable[..., Any]:
    """Return the function that `module:function` names. Raises Misconfigured."""
    module, _, name = reference.partition(":")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # last, so that nothing in the folder hides an installed module
    try:
        function = getattr(import_module(module), name)
    except Exception as error:  # the module is the operator's, and may raise anything
        raise _unusable(reference, f"{type(error).__name__}: {error}") from error
    if not callable(function):
        raise _unusable(reference, f"{name} is not a function")
    found: Callable[..., Any] = function
    return found


class ClaimsHook:
    """Calls the function in a thread, or on the event loop if it is a coroutine function."""

    def __init__(self, function: Callable[..., Any], timeout: float) -> None:
        """`timeout` is in seconds."""
        self._function, self._timeout = function, timeout
        self._pool, self._running = Pool("claims hook", _THREADS, _QUEUE, timeout), 0

    async def claims(self, call: HookCall) -> dict[str, Any]:
        """Return the claims that the token contains: the user's own, and over them those that the function returns,
        as far as the client's tokens may contain them.

        Raises Unavailable if the function fails, takes too long or returns claims that are not allowed: no token is
        issued without its claims."""
        arguments = {
            "subject": call.subject,
            "username": call.username,
            "client_id": call.client_id,
            "scope": list(call.scope),
            "claims": deepcopy(dict(call.claims)),
        }
        try:
            returned = await self._call(partial(self._function, **arguments))
            added = claim_rules.check({} if returned is None else returned)
            return dict(claim_rules.check(claim_rules.selected({**call.claims, **added}, call.names)))
        except Exception as error:
            reason = str(error) if isinstance(error, Unavailable | ClaimsRefused) else _place(error)
            log.error("claims_hook_failed", client_id=call.client_id, subject=call.subject, reason=reason)
            raise Unavailable(f"No claims from the claims hook: {reason}", _RETRY_AFTER) from error

    def close(self) -> None:
        self._pool.close()

    async def _call(self, function: Callable[[], Any]) -> Any:
        if not iscoroutinefunction(self._function):
            return await self._pool.run(function)
        with self._one_more():
            scope = asyncio.timeout(self._timeout)
            try:
                async with scope:
                    return await function()
            except TimeoutError:
                if scope.expired():
                    raise Unavailable(f"The claims hook took longer than {self._timeout} s.") from None
                raise

    @contextmanager
    def _one_more(self) -> Iterator[None]:
        if self._running >= _QUEUE:
            raise Unavailable("The claims hook queue is full.")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _place(error: Exception) -> str:
    """Return the kind of the error and where it was raised. Its text may contain anything."""
    frame = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _unusable(reference: str, fault: str) -> Misconfigured:
    return Misconfigured(_NOT_FOUND.format(reference=reference, fault=fault.rstrip("."), folder=Path.cwd()))

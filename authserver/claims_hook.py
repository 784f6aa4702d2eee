"""Calls the operator's function for claims that the database does not hold, with a limit on concurrent calls."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

import structlog

from . import hook_function
from .domain import claim_rules
from .domain.claim_rules import ClaimsRefused
from .domain.errors import Unavailable
from .pool import Pool, as_failure

log: Any = structlog.get_logger("authserver")
_THREADS = 8
_QUEUE = 128  # calls that may wait, and coroutines that may run
_RETRY_AFTER = 2  # seconds


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


class ClaimsHook:
    """Calls the function in a thread, or on the event loop if it is a coroutine function."""

    def __init__(self, function: Callable[..., Any], timeout: float) -> None:
        """`timeout` is in seconds."""
        self._function, self._timeout = function, timeout
        self._pool, self._running = Pool("claims hook", _THREADS, _QUEUE, timeout), 0

    async def claims(self, call: HookCall) -> dict[str, Any]:
        """Return the token's claims: the user's own, overridden by those that the function returns, and limited to
        those that the client's tokens may contain.

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
            reason = str(error) if isinstance(error, Unavailable | ClaimsRefused) else hook_function.place(error)
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
                    return await _awaited(function())
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


async def _awaited(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except (asyncio.CancelledError, SystemExit) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():  # the caller disconnected, or the timeout expired
            raise
        raise as_failure(error) from error

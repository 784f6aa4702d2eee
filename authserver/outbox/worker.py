"""Sends the messages in the outbox: each at least once, by one of all processes.

An attempt first claims the message, so that one that a crash interrupts is repeated by any process when its lease has
ended. Each receiver has a queue, and the queues are served at the same time. Those whose last attempt failed use at
most half of what a sender can do at once, so that receivers that are down never hold back the others.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from functools import partial
from typing import Any

import structlog

from ..domain.audit import FAILURE, SERVER, AuditRecord, detail
from ..domain.errors import Unavailable
from ..domain.outbox import FAILED, GIVEN_UP, Message, kind_of
from ..domain.times import span
from ..store import outbox
from ..store.database import Database
from ..store.outbox import Due
from .sender import NotSent, Sender

log: Any = structlog.get_logger("authserver")
TASK = "deliver_outbox"
"""Its name in the log."""
_AT_ONCE = 2
"""How many messages a receiver is sent at the same time."""
_MAX_FAILING = 10_000
"""How many queues that fail are remembered. Beyond that, all are forgotten, and found to fail once more."""
_SHUTDOWN_TIMEOUT = 5  # seconds to finish what is being sent


class _Lane:
    """A sender, and how many may use it at the same time."""

    def __init__(self, sender: Sender) -> None:
        self.sender, self.slots = sender, asyncio.Semaphore(sender.limit)
        self._failing = asyncio.Semaphore(max(sender.limit // 2, 1))

    def admit(self, *, is_failing: bool) -> AbstractAsyncContextManager[None]:
        """Wait until a queue may be served."""
        return self._failing if is_failing else nullcontext()


class OutboxWorker:
    def __init__(self, senders: Mapping[str, Sender], database: Database, now: Callable[[], int]) -> None:
        """`senders` are those of each kind of message; other kinds are left to processes that know them. `now` returns
        microseconds."""
        self._lanes = {kind: _Lane(sender) for kind, sender in senders.items()}
        self._database, self._now = database, now
        self._serving, self._failing, self._is_stopping = dict[str, asyncio.Task[None]](), set[str](), False
        self.attempt_ended: Callable[[str, str], None] | None = None
        """Called in the event loop after each attempt, with the kind of the message and one of OUTCOMES."""

    async def look(self) -> None:
        """Begin to send what is due, and do not wait for it. Raises Unavailable."""
        for queue in await self._database.load(outbox.due_queues_many, self._now()) or ():
            if queue not in self._serving and kind_of(queue) in self._lanes:
                self._serving[queue] = asyncio.create_task(self._serve(queue))
                self._serving[queue].add_done_callback(partial(self._ended, queue))

    async def finish(self) -> None:
        """Wait until everything that was begun has ended."""
        while self._serving:
            await asyncio.wait(self._serving.values())

    async def stop(self) -> None:
        """Begin nothing more, and wait a few seconds for what is being sent."""
        self._is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT):
                await self.finish()
        for task in self._serving.values():
            task.cancel()
        await self.finish()

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.sender.close()

    async def _serve(self, queue: str) -> None:
        """Send what is due in this queue, until nothing is left or its receiver fails."""
        lane, is_failing = self._lanes[kind_of(queue)], queue in self._failing
        limit = 1 if is_failing else _AT_ONCE
        async with lane.admit(is_failing=is_failing):
            while messages := await self._due(queue, limit):
                if not await self._attempt_all(lane, messages):
                    self._note_failing(queue)
                    return
                self._failing.discard(queue)
                if is_failing:  # it works again: the next look serves it like the others
                    return

    async def _attempt_all(self, lane: _Lane, messages: Sequence[Message]) -> bool:
        """Return whether the receiver did not fail. Raises Unavailable once all have ended."""
        outcomes = await asyncio.gather(*(self._attempt(lane, each) for each in messages), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return all(outcomes)

    def _note_failing(self, queue: str) -> None:
        if len(self._failing) >= _MAX_FAILING:
            self._failing.clear()
        self._failing.add(queue)

    async def _due(self, queue: str, limit: int) -> Sequence[Message]:
        if self._is_stopping:
            return ()
        return await self._database.load(outbox.due_many, Due(queue, self._now(), limit)) or ()

    async def _attempt(self, lane: _Lane, message: Message) -> bool:
        """Try to send a message, unless another process does or this one ends. Returns False if its receiver
        failed."""
        async with lane.slots:
            begun = message.begun(self._now())
            if self._is_stopping or not await self._database.write(outbox.advance(message, begun)):
                return True
            failure = await self._send(lane.sender, message)
            ended = _after(begun, failure, self._now())
            records = (_given_up(ended),) if ended.outcome == GIVEN_UP else ()
            await self._database.write(outbox.advance(begun, ended, *records))
        if self.attempt_ended is not None:
            self.attempt_ended(ended.kind, ended.outcome or FAILED)
        _log(ended, self._now())
        return failure is None or failure.is_permanent

    async def _send(self, sender: Sender, message: Message) -> NotSent | None:
        """Return why it was not sent; None if it was."""
        try:
            await sender.send(message)
        except NotSent as failure:
            return failure
        except Exception as error:
            log.exception("background_task_failed", task=TASK)
            return NotSent(f"a defect of the server ({type(error).__name__})")
        return None

    def _ended(self, queue: str, task: "asyncio.Task[None]") -> None:
        del self._serving[queue]
        try:
            if not task.cancelled():
                task.result()
        except Unavailable as error:
            log.warning("background_task_failed", task=TASK, reason=str(error))
        except Exception:
            log.exception("background_task_failed", task=TASK)


def _after(begun: Message, failure: NotSent | None, now: int) -> Message:
    if failure is None:
        return begun.delivered(now)
    return begun.failed(str(failure), now, is_permanent=failure.is_permanent)


def _given_up(message: Message) -> AuditRecord:
    subject, client_id = message.user_id or "", message.client_id or ""
    fields = {"reason": message.reason, "to": message.queue, "failures": str(message.failures)}
    return AuditRecord("message_given_up", SERVER, FAILURE, subject=subject, client_id=client_id, detail=detail(fields))


def _log(message: Message, now: int) -> None:
    fields: dict[str, Any] = {"to": message.queue, "id": message.id, "failures": message.failures}
    if message.is_delivered:
        log.info("message_delivered", **fields)
    elif message.next_at is None:
        log.warning("message_given_up", **fields, reason=message.reason)
    else:
        log.warning("message_failed", **fields, reason=message.reason, wait=span(message.next_at - now))

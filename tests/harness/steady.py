"""A fixed rate of refreshes, however long the responses take: an open loop, like many independent users."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from time import perf_counter
from typing import NamedTuple

from tests.harness.databases import Rows, authorization_id, generation
from tests.harness.http_client import Response, refresh
from tests.harness.refreshers import Tally

_TICK = 0.002  # seconds


class Answered(NamedTuple):
    due: float
    """By perf_counter()."""
    after: float
    """Seconds, from when it was due."""


class Steady:
    """Refreshes each login in turn. One that got no response, or 503, presents the same token at its next turn."""

    def __init__(
        self,
        client_id: str,
        tokens: Iterable[str],
        ask: Callable[[bytes], Awaitable[Response]],
        rate: float,
        at_once: int = 1,
    ) -> None:
        """`rate` is in refreshes per second, of which `at_once` start together. `ask` raises OSError if no response
        comes."""
        self._rate, self._at_once, self._client_id, self._ask = rate, at_once, client_id, ask
        self.waiting = deque(tokens)
        """The newest token of each login that has no refresh under way."""
        self.tally = Tally()
        self.troubles: list[str] = []
        """What the first requests met that were lost or answered 503."""
        self.answered: list[Answered] = []
        self.skipped = 0
        """Turns at which every login still waited for an answer."""
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, enough: asyncio.Event) -> None:
        """Run, and return when no request is running any more."""
        due = perf_counter()
        while not enough.is_set():
            await asyncio.sleep(max(_TICK, due - perf_counter()))
            while due <= perf_counter():
                for _ in range(self._at_once):
                    self._begin(due)
                due += self._at_once / self._rate
        await asyncio.gather(*self._under_way)

    def _begin(self, due: float) -> None:
        if not self.waiting:
            self.skipped += 1
            return
        task = asyncio.create_task(self._refresh(self.waiting.popleft(), due))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _refresh(self, token: str, due: float) -> None:
        try:
            answer = await self._ask(refresh(self._client_id, token))
        except OSError as error:
            self.tally.lost += 1
            self._trouble(str(error))
        else:
            self.answered.append(Answered(due, perf_counter() - due))
            token = self._newest(token, answer)
        self.waiting.append(token)

    def _newest(self, token: str, answer: Response) -> str:
        if answer.status == 503:
            self.tally.unavailable += 1
            self._trouble(f"503 {answer.body!r}")
            return token
        if answer.status != 200:
            self.tally.faults.append(f"a refresh was answered {answer.status} {answer.body!r}")
            return token
        self.tally.refreshes += 1
        successor = str(answer.refresh_token)
        if generation(successor) != generation(token) + 1:
            self.tally.faults.append(f"generation {generation(token)} led to generation {generation(successor)}")
        return successor

    def _trouble(self, what: str) -> None:
        if len(self.troubles) < 100:
            self.troubles.append(what)

    def check_rows(self, rows: Rows) -> None:
        """Check the rows while no request is running: each has the received generation, or at most one more."""
        logins = rows.logins()
        for token in self.waiting:
            newest, (found, revoked_at) = generation(token), logins.get(authorization_id(token), (-1, None))
            if found not in (newest, newest + 1) or revoked_at is not None:
                state = "revoked" if revoked_at is not None else "living"
                self.tally.faults.append(f"generation {newest} was received; in the row stands {found}, {state}")

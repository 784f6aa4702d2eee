"""Clients that refresh all the time, each with a ledger on disk, and a record of every fault that a user would notice.

An answer counts as received when it stands in the ledger, fsynced. A client that got no answer presents the same token
again, elsewhere if it can, as does now and then one that did: as if its answer had been lost.
"""

import asyncio
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from tests.harness.databases import Rows, authorization_id, generation
from tests.harness.http_client import Connection, Response, connect, refresh
from tests.harness.ledger import Ledger
from tests.harness.true_clock import TrueClock

PAUSE = 0.4  # seconds, at most: enough of a hurry for any client, and the server needs this machine's cores too
_RETRY_WINDOW = 30  # seconds, the server's default
_LOSE = 0.1  # share of the answers that a client takes for lost
_SECURITY_EVENTS = ("refresh_token_reused", "refresh_token_ahead")


@dataclass
class Tally:
    """The results of the run so far. `faults` describes what was wrong."""

    refreshes: int = 0
    lost: int = 0
    """Requests that got no answer, and connections that were refused."""
    unavailable: int = 0
    """Answered 503."""
    faults: list[str] = field(default_factory=list)
    true_clock: TrueClock | None = None
    """By which each fresh access token is verified, if there is one."""


class Client:
    """One login. It waits for at most `pause` seconds before each refresh, and PAUSE before it connects again."""

    def __init__(self, client_id: str, ledger: Ledger, tally: Tally, pause: float = PAUSE) -> None:
        self.client_id, self.ledger, self.tally, self.pause = client_id, ledger, tally, pause
        self.successors: dict[str, str] = {}
        """Of every token presented, also when the answer was taken for lost."""
        self.logged_out = False
        self._first_tried: dict[str, float] = {}

    async def refresh_until(self, enough: asyncio.Event, ports: Sequence[int]) -> None:
        """Refresh through lost connections and restarts, each time on any of the ports."""
        while not (self.logged_out or enough.is_set()):
            try:
                await self._refresh(await connect(random.choice(ports)), enough)
            except OSError:
                self.tally.lost += 1
                await self._rest(PAUSE)

    async def _refresh(self, connection: Connection, enough: asyncio.Event) -> None:
        """Begin with the ledger's newest token, as an app does when it restarts."""
        token = self.ledger.newest()
        try:
            while not (self.logged_out or enough.is_set()):
                token = await self.step(connection, token)
                await self._rest(self.pause)
        finally:
            connection.close()

    async def step(self, connection: Connection, token: str, *, lose: float = _LOSE) -> str:
        """Return the token to present next."""
        asked_at = monotonic()
        tried = self._first_tried.setdefault(token, asked_at)
        answer = await connection.ask(refresh(self.client_id, token))
        if answer.status == 200:
            await self._verify(str(answer.access_token), asked_at)
            return await self._receive(token, str(answer.refresh_token), lose)
        if answer.status == 503:
            self.tally.unavailable += 1
            if not answer.has("retry-after: "):
                self.tally.faults.append(f"503 without Retry-After: {answer.head!r}")
            await self._rest(PAUSE)
        else:
            self._refused(token, answer, monotonic() - tried)
        return token

    async def _verify(self, access_token: str, asked_at: float) -> None:
        if self.tally.true_clock and (why := await self.tally.true_clock.complaint(access_token, asked_at)):
            self.tally.faults.append(why)

    async def _rest(self, most: float) -> None:
        await asyncio.sleep(random.uniform(0, most))

    async def _receive(self, token: str, successor: str, lose: float) -> str:
        self.tally.refreshes += 1
        known = self.successors.setdefault(token, successor)
        if known != successor:
            self.tally.faults.append(f"generation {generation(token)} led to two successors")
        if generation(successor) != generation(token) + 1:
            self.tally.faults.append(f"generation {generation(token)} led to generation {generation(successor)}")
        if random.random() < lose:
            return token
        await asyncio.to_thread(self.ledger.append, successor)
        return successor

    def _refused(self, token: str, answer: Response, after: float) -> None:
        self.logged_out = True
        late = "" if after < _RETRY_WINDOW else f", but {after:.0f} s after its first try: this machine is too slow"
        self.tally.faults.append(f"logged out with {answer.status} {answer.body!r}{late}")

    def check(self, row: tuple[int, int | None] | None) -> None:
        """Check the row while no request is running: it has the received generation, or at most one more."""
        newest = generation(self.ledger.newest())
        received = max((generation(token) for token in self.successors.values()), default=newest)
        found, revoked_at = row or (-1, None)
        if found < received:
            self.tally.faults.append(f"generation {received} was received, but only {found} was durable")
        elif found > newest + 1:
            self.tally.faults.append(f"generation {found} stands in the row, {newest} in the ledger")
        if revoked_at is not None:
            self.tally.faults.append("the login was revoked")

    async def say_goodbye(self, port: int) -> None:
        """The newest token refreshes; once more it leads to the same; and that refreshes too."""
        newest = self.ledger.newest()
        for token in (newest, newest, None):
            connection = await connect(
                port
            )  # anew each time: a worker that is being replaced closes it after a response
            await self.step(connection, token or self.ledger.newest(), lose=0)
            connection.close()


def new_clients(
    client_id: str, tokens: Iterable[str], folder: Path, tally: Tally, pause: float = PAUSE
) -> list[Client]:
    """Create clients, whose ledgers are files in `folder`."""
    ledgers = (Ledger(folder / f"ledger-{place}", token) for place, token in enumerate(tokens))
    return [Client(client_id, ledger, tally, pause) for ledger in ledgers]


def check_rows(clients: Sequence[Client], rows: Rows) -> None:
    logins = rows.logins()
    for client in clients:
        client.check(logins.get(authorization_id(client.ledger.newest())))


def check_log(log: str, tally: Tally) -> None:
    """Check that the log has no security event: none of these clients ever did anything that causes one."""
    tally.faults += [f"the log has {event}" for event in _SECURITY_EVENTS if event in log]

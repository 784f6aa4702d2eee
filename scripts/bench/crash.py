"""kill -9 of the server at random moments under refresh load, and what clients and the database then hold.

Clients refresh without a pause. Each has a ledger on disk, and an answer counts as received when it stands there,
fsynced. One that got no answer presents the same token again, as does now and then one that did: as if its answer had
been lost. With several workers, one of them is killed first, then all at once or the first process alone, which must
not leave the others behind.

No client is refused within the retry window, a token always leads to the same successor, what a client has received
was durable when the server died, and the server is ready again in under 3 s.

    .venv/bin/python scripts/bench/crash.py              50 kills of one process
    .venv/bin/python scripts/bench/crash.py --workers 4
    .venv/bin/python scripts/bench/crash.py --naive      answers leave before their commit: it must be seen
"""

import argparse
import asyncio
import random
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.bench.client import Connection, Response, connect, refresh, run
from scripts.bench.ledger import Ledger
from scripts.bench.plants import EARLY
from scripts.bench.server import (
    Server,
    authorization_id,
    generation,
    logins,
    rows_after_crash,
    set_up,
    use_venv,
)

_ROUND = 120  # seconds, after which a round has hung
_RECONNECT = 0.2  # seconds, at most: enough of a hurry for any client, and the server needs this machine's cores too
_RETRY_WINDOW = 30  # seconds, the server's default
_LOSE = 0.1  # share of the answers that a client takes for lost
_SECURITY_EVENTS = ("refresh_token_reused", "refresh_token_ahead")


@dataclass
class Tally:
    """What came of the run so far. `faults` says what was wrong, in words."""

    kills: int = 0
    refreshes: int = 0
    lost: int = 0
    """Requests that got no answer."""
    unavailable: int = 0
    ready: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Client:
    """One login, and everything that its user could complain of."""

    def __init__(self, client_id: str, ledger: Ledger, tally: Tally) -> None:
        self.client_id, self.ledger, self.tally = client_id, ledger, tally
        self.successors: dict[str, str] = {}
        """Of every token presented, also when the answer was taken for lost."""
        self.logged_out = False
        self._first_tried: dict[str, float] = {}

    async def refresh_until(self, dead: asyncio.Event, port: int) -> None:
        """Through lost connections and restarts, until one is lost after `dead` is set."""
        while not self.logged_out:
            try:
                await self._refresh(await connect(port))
            except OSError:
                self.tally.lost += 1
            if dead.is_set():
                return
            await asyncio.sleep(random.uniform(0, _RECONNECT))

    async def _refresh(self, connection: Connection) -> None:
        """Without end. Begins with what the ledger holds, as an app does that starts again."""
        token = self.ledger.newest()
        try:
            while not self.logged_out:
                token = await self.step(connection, token)
        finally:
            connection.close()

    async def step(self, connection: Connection, token: str, *, lose: float = _LOSE) -> str:
        """The token to present next."""
        tried = self._first_tried.setdefault(token, monotonic())
        answer = await connection.ask(refresh(self.client_id, token))
        if answer.status == 200:
            return await self._receive(token, str(answer.refresh_token), lose)
        if answer.status == 503:
            self.tally.unavailable += 1
            await asyncio.sleep(random.uniform(0, _RECONNECT))
        else:
            self._refused(token, answer, monotonic() - tried)
        return token

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
        """Against the row as the dead server left it: it holds what was received, and at most one step more."""
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
        connection = await connect(port)
        newest = self.ledger.newest()
        for token in (newest, newest, None):
            await self.step(connection, token or self.ledger.newest(), lose=0)
        connection.close()


@dataclass
class Bench:
    server: Server
    clients: Sequence[Client]
    tally: Tally
    within: float
    """Seconds of load, at most, between readiness and a kill."""

    async def run(self, kills: int, *, until_fault: bool = False) -> None:
        while self.tally.kills < kills and not (until_fault and self.tally.faults):
            async with asyncio.timeout(_ROUND):
                await self._round()
        if not until_fault:
            await self._say_goodbye()

    async def _round(self) -> None:
        dead = asyncio.Event()
        load = [asyncio.create_task(each.refresh_until(dead, self.server.port)) for each in self.clients]
        try:
            await self._start()
            await self._kill_worker()
            await self._under_load()
            dead.set()
            await asyncio.to_thread(self._kill)
            await asyncio.gather(*load)
        finally:
            for each in load:
                each.cancel()
        rows = rows_after_crash(self.server.database)
        for client in self.clients:
            client.check(rows.get(authorization_id(client.ledger.newest())))

    async def _start(self) -> None:
        began = monotonic()
        await asyncio.to_thread(self.server.start)
        self.tally.ready.append(monotonic() - began)

    async def _under_load(self) -> None:
        await asyncio.sleep(random.uniform(0, self.within))

    async def _kill_worker(self) -> None:
        if self.server.workers > 1:
            await self._under_load()
            await asyncio.to_thread(self.server.kill_worker)
            self.tally.kills += 1

    def _kill(self) -> None:
        self.tally.kills += 1
        if self.server.workers == 1 or random.random() < 0.5:
            self.server.kill()
        elif not self.server.kill_first_process():
            self.tally.faults.append("the workers outlived the first process")

    async def _say_goodbye(self) -> None:
        await self._start()
        await asyncio.gather(*(client.say_goodbye(self.server.port) for client in self.clients))
        self.server.stop()


def clients_of(server: Server, many: int, tally: Tally) -> list[Client]:
    """Logged in by a server without a fault."""
    server.plant(None)
    server.start()
    tokens = run(logins(server, many))
    server.stop()
    return [
        Client(server.app["client_id"], Ledger(server.folder / f"ledger-{place}", token), tally)
        for place, token in enumerate(tokens)
    ]


def check_log(server: Server, begin: int, tally: Tally) -> None:
    """From the character `begin` on."""
    log = server.log.read_text()[begin:]
    tally.faults += [f"the log has {event}" for event in _SECURITY_EVENTS if event in log]


def report(tally: Tally, most: float) -> bool:
    ready = f"{statistics.median(tally.ready):.2f} s, at most {max(tally.ready):.2f} s"
    print(f"kills                        {tally.kills:8}")
    print(f"refreshes received           {tally.refreshes:8}")
    print(f"requests without an answer   {tally.lost:8}")
    print(f"answered 503                 {tally.unavailable:8}")
    print(f"ready again after {ready} (of {len(tally.ready)} starts)")
    if max(tally.ready) >= most:
        tally.faults.append(f"ready only after {max(tally.ready):.2f} s")
    for fault in tally.faults[:10]:
        print(f"    {fault}")
    print(
        f"{len(tally.faults)} FAULTS"
        if tally.faults
        else "no login lost, no fork, nothing received that was not durable"
    )
    return not tally.faults


def measure(server: Server, asked: argparse.Namespace) -> bool:
    tally, server.workers = Tally(), asked.workers
    clients = clients_of(server, asked.clients, tally)
    log = len(server.log.read_text())
    run(Bench(server, clients, tally, asked.within).run(asked.kills))
    check_log(server, log, tally)
    return report(tally, asked.ready)


def look_for_plant(server: Server, asked: argparse.Namespace) -> bool:
    tally, server.workers = Tally(), asked.workers
    clients = clients_of(server, asked.clients, tally)
    server.plant(EARLY)
    run(Bench(server, clients, tally, asked.within).run(asked.kills, until_fault=True))
    seen = f"seen after {tally.kills} kills: {tally.faults[0]}" if tally.faults else "NOT SEEN: the harness is blind"
    print(f"{EARLY.what}\n    {seen}")
    return bool(tally.faults)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1, help="server processes")
    parser.add_argument("--within", type=float, default=0.5, help="seconds under load before a kill, at most")
    parser.add_argument("--ready", type=float, default=3, help="seconds in which the server must be ready again")
    parser.add_argument("--naive", action="store_true", help="plant a fault; exit code 1 if it is not seen")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with suppress(KeyboardInterrupt), set_up() as server:
        return 0 if (look_for_plant if asked.naive else measure)(server, asked) else 1
    return 130


if __name__ == "__main__":
    use_venv()
    sys.exit(main())

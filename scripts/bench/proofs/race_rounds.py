"""The rounds of race.py, and the witness that records requests, responses and their times."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from scripts.bench.proofs.linearizable import FOREVER, Login, Operation, is_linearizable
from tests.harness.constants import PASSWORD
from tests.harness.databases import Rows, authorization_id, generation
from tests.harness.gated import Gate
from tests.harness.http_client import Connection, Response, post, refresh
from tests.harness.server import Server, connections, log_in, logins

_REFRESHERS = 8  # parallel refreshes in each step against an end
_STEPS = 4  # at most, before the end
_APART = 0.002  # seconds, at most, between the revocation and a step, in either order
_HASHING = 0.03  # seconds, about as long as a login takes, so that a change of password falls into it
_LATE_LOGINS = 2
NO_ORDER = "no order of these operations explains their responses"
OLD_PASSWORD = "a login with the old password refreshed"
WRITTEN_TWICE = "the generation was written"
WRITTEN_OVER = "generations were written in a revoked row"


@dataclass
class Tally:
    """The results of many rounds. `faults` says in words what was wrong."""

    rounds: int = 0
    statuses: list[int] = field(default_factory=list)
    """The statuses of all refreshes."""
    faults: list[str] = field(default_factory=list)

    def check(self, good: bool, fault: str) -> None:
        if not good:
            self.faults.append(f"round {self.rounds}: {fault}")


class Users:
    """Creates a user for each round, with the functions of the store: a command would take half a second for each."""

    def __init__(self, url: str) -> None:
        from authserver import system
        from authserver.passwords import PasswordHasher
        from authserver.store.database import Database

        passwords = PasswordHasher()
        self._old, self._new = passwords.hash(PASSWORD), passwords.hash(PASSWORD[::-1])
        passwords.close()
        self._database = Database(url, system.now)

    def add(self, many: int) -> list[str]:
        """Create users, and return their names. The password of each is PASSWORD."""
        from authserver import system
        from authserver.domain.models import User
        from authserver.store import users

        names = [system.new_id().hex() for _ in range(many)]
        with self._database.begin() as connection:
            for name in names:
                users.add(connection, User(f"u_{name}", name, self._old, created_at=system.now()))
        return names

    def change_password(self, name: str) -> None:
        """Change the password, as `authserver user set-password` does."""
        from authserver.store import users

        with self._database.begin() as connection:
            assert users.set_password(connection, name, self._new)

    def close(self) -> None:
        self._database.close()


@dataclass
class Bench:
    server: Server
    rows: Rows
    users: Users
    parallel: int
    gate: Gate | None = None
    """Holds back changes of the servers, so that one round is enough. The round opens it."""


Round = Callable[[Bench, str, Tally], Awaitable[None]]
"""Runs one round. Its second argument is the first refresh token of a login, or the name of a user."""


class Witness:
    """Sends requests, and records a history of each login."""

    def __init__(self, bench: Bench, tally: Tally) -> None:
        self.bench, self.tally = bench, tally
        self._histories: dict[bytes, list[Operation]] = defaultdict(list)
        self._ends: list[tuple[bytes | None, Operation]] = []

    async def refresh(self, connection: Connection, token: str) -> Response:
        invoked = perf_counter()
        answer = await ask(connection, refresh(self.bench.server.client_id, token))
        returned = perf_counter() if answer.status in (200, 400) else FOREVER
        self.tally.statuses.append(answer.status)
        result = generation(answer.refresh_token) if answer.refresh_token else None
        operation = Operation("refresh", invoked, returned, generation(token), result)
        self._histories[authorization_id(token)].append(operation)
        return answer

    async def end(self, ending: Awaitable[object], token: str | None = None) -> None:
        """Record `ending`, which ends the login of that token, or every login, and returns when this is done."""
        invoked = perf_counter()
        await ending
        self._ends.append((authorization_id(token) if token else None, Operation("end", invoked, perf_counter())))

    def ended_at(self, token: str | None = None) -> float:
        """Return when the response arrived that confirmed the end of that token's login, or of every login."""
        id = authorization_id(token) if token else None
        return min((end.returned for of, end in self._ends if of in (None, id)), default=FOREVER)

    def judge(self) -> None:
        window = float(self.bench.server.settings.get("REFRESH_RETRY_WINDOW", 30))
        for id, history in self._histories.items():
            ends = [end for of, end in self._ends if of in (None, id)]
            operations = sorted(history + ends, key=lambda operation: operation.invoked)
            if not is_linearizable(operations, Login(), window):
                self.tally.check(False, f"{NO_ORDER}: {'; '.join(map(str, operations))}")


async def ask(connection: Connection, request: bytes) -> Response:
    """Return the response. If the connection ends without one, the status is 0."""
    try:
        return await connection.ask(request)
    except ConnectionError:
        return Response(0, b"")


async def race(bench: Bench, token: str, tally: Tally) -> None:
    """Refresh one token many times at once. The connections are new, so that each round spreads them over the
    workers differently."""
    witness = Witness(bench, tally)
    open = await connections(bench.server.ports, bench.parallel)
    asked = asyncio.gather(*(witness.refresh(each, token) for each in open))
    if bench.gate:
        await bench.gate.is_reached_by(2)
        bench.gate.open()
    answers = await asked
    _check_successors(bench, token, answers, tally)
    successor = answers[0].refresh_token
    if successor:
        last = await witness.refresh(open[0], successor)
        tally.check(last.status == 200, f"the successor was answered {last.status} {last.body!r}")
    witness.judge()
    _close(open)


def _check_successors(bench: Bench, token: str, answers: Sequence[Response], tally: Tally) -> None:
    refused = [answer for answer in answers if answer.status != 200]
    tally.check(not refused, f"{len(refused)} answers were not 200: {refused[:1]}")
    successors = {answer.refresh_token for answer in answers if answer.status == 200}
    tally.check(len(successors) == 1, f"{len(successors)} successors")
    seen, stored = generation(token), bench.rows.generation(token)
    tally.check(stored == seen + 1, f"the generation went from {seen} to {stored}")
    history = bench.rows.history(token)
    tally.check(history == [(seen, seen + 1)], f"{WRITTEN_TWICE} {len(history)} times: {history[:4]}")


async def race_against_end(bench: Bench, username: str, tally: Tally) -> None:
    """Refresh a login while it is revoked, or the user's password changes, or both; logins with the old password are in
    progress."""
    witness = Witness(bench, tally)
    newest = token = await _log_in(bench, username)
    open = await connections(bench.server.ports, _REFRESHERS)
    for _ in range(random.randrange(_STEPS)):
        newest = await _step(witness, open, newest) or newest
    others = await connections(bench.server.ports, 1 + _LATE_LOGINS)
    random.shuffle(others)
    endings = [asyncio.ensure_future(ending) for ending in _endings(witness, others, username, token)]
    successor: str | None = newest
    while successor and not all(ending.done() for ending in endings):
        newest = successor
        await asyncio.sleep(random.uniform(0, _APART))
        successor = await _step(witness, open, newest)
    await asyncio.gather(*endings)
    for last in (newest, token):
        await _step(witness, open, last)
    _judge(witness, token)
    _close([*open, *others])


def _judge(witness: Witness, token: str) -> None:
    witness.judge()
    late = witness.bench.rows.written_after_revocation(token)
    witness.tally.check(not late, f"{late} {WRITTEN_OVER}")


async def refresh_around_revocation(bench: Bench, username: str, tally: Tally) -> None:
    """Like `race_against_end`, in a fixed order: the gate holds back a refresh that was judged before the revocation,
    or the revocation itself, until everything else is written."""
    assert bench.gate
    witness, token = Witness(bench, tally), await _log_in(bench, username)
    open, others = await connections(bench.server.ports, _REFRESHERS), await connections(bench.server.ports, 1)
    step = asyncio.ensure_future(_step(witness, open, token))
    reached = asyncio.ensure_future(bench.gate.is_reached_by(1))
    await asyncio.wait([step, reached], return_when=asyncio.FIRST_COMPLETED)
    await _revoke(witness, others[0], token)
    if not step.done():
        bench.gate.open()
    for last in (await step or token, token):
        await _step(witness, open, last)
    bench.gate.open()
    await reached
    _judge(witness, token)
    _close([*open, *others])


async def refresh_after_change(bench: Bench, username: str, tally: Tally) -> None:
    """Like `race_against_end`, in a fixed order: a login with the old password refreshes before the change, and after
    it."""
    witness, token = Witness(bench, tally), await _log_in(bench, username)
    open = await connections(bench.server.ports, 1)
    newest = (await witness.refresh(open[0], token)).refresh_token or token
    await _change_password(witness, username)
    await _refresh_by_old_password(witness, open[0], newest)
    _judge(witness, token)
    _close(open)


async def _log_in(bench: Bench, username: str) -> str:
    """Return the first refresh token of a login. Open other connections only after this: on a busy machine, a login
    takes longer than the server keeps a connection on which no request comes."""
    (token,) = await logins(bench.server, 1, username)
    return token


def _endings(witness: Witness, others: Sequence[Connection], username: str, token: str) -> list[Awaitable[None]]:
    is_revoked, is_changed = random.choice([(True, False), (True, False), (False, True), (True, True)])
    revoked = [_revoke(witness, others[0], token)] if is_revoked else []
    if not is_changed:
        return [*revoked]
    changed = asyncio.ensure_future(_change_password(witness, username))
    return [*revoked, changed, *(_log_in_late(witness, each, username, changed) for each in others[1:])]


async def _revoke(witness: Witness, connection: Connection, token: str) -> None:
    async def revoke() -> None:
        answer = await ask(connection, post("/revoke", {"token": token, "client_id": witness.bench.server.client_id}))
        witness.tally.check(answer.status == 200, f"the revocation was answered {answer.status} {answer.body!r}")

    await asyncio.sleep(random.uniform(0, _APART))
    await witness.end(revoke(), token)


async def _change_password(witness: Witness, username: str) -> None:
    await asyncio.sleep(random.uniform(0, _HASHING))
    await witness.end(asyncio.to_thread(witness.bench.users.change_password, username))


async def _log_in_late(
    witness: Witness, connection: Connection, username: str, changed: "asyncio.Future[None]"
) -> None:
    """Log in with the old password while it changes. This may succeed, but then it can refresh only until the change is
    done."""
    request = log_in(witness.bench.server.client_id, username)
    await asyncio.sleep(random.uniform(0, _HASHING))
    began = perf_counter()
    token = (await ask(connection, request)).refresh_token
    if token is None:
        return
    witness.tally.check(began < witness.ended_at(), "the old password was accepted after its change")
    token = (await witness.refresh(connection, token)).refresh_token or token
    await changed
    await _refresh_by_old_password(witness, connection, token)


async def _refresh_by_old_password(witness: Witness, connection: Connection, token: str) -> None:
    """Check that a login with the old password cannot refresh after the change."""
    last = await witness.refresh(connection, token)
    witness.tally.check(last.status == 400, f"{OLD_PASSWORD}: {last.status}")


async def _step(witness: Witness, open: Sequence[Connection], token: str) -> str | None:
    """Send parallel refreshes of one token, and wait for all responses, so that no later step presents a token that is
    older than one generation.

    Returns the successor, if there is one.
    """
    began, tally = perf_counter(), witness.tally
    answers = await asyncio.gather(*(witness.refresh(each, token) for each in open))
    strange = [answer for answer in answers if answer.status not in (200, 400)]
    tally.check(not strange, f"a refresh was answered {strange[:1]}")
    successors = {answer.refresh_token for answer in answers if answer.status == 200}
    tally.check(len(successors) <= 1, f"{len(successors)} successors")
    tally.check(not successors or began < witness.ended_at(token), "a refresh that began after the end succeeded")
    return successors.pop() if successors else None


def _close(connections: Sequence[Connection]) -> None:
    for each in connections:
        each.close()

"""Lets keys rotate automatically under load: no verifier may fail, neither our guard nor PyJWT, joserfc and jose.

The server runs with the shortest times that are allowed in production, on a clock that is 60 times as fast: keys rotate
every 20 s, a key is published 15 s before it signs, the JWKS may be cached for 5 s, and a token is valid for 10 s. Each
token is shown to every verifier at once, and again half a second before it expires. There are also tokens with an
unknown `kid`, as from strangers, which use up the fetches that a verifier allows itself. In every third period there
are none, so that caches become as old as they can.

With --zero-lead, the server publishes a key only when it signs, and verifiers must fail. With --emergency, a key is
revoked under load (scripts/bench/proofs/emergency.py), at the speed of real time.

    python3 scripts/bench/proofs/rotation.py                      100 rotations, 34 minutes
    python3 scripts/bench/proofs/rotation.py --zero-lead --rotations 5
    python3 scripts/bench/proofs/rotation.py --emergency
"""

import argparse
import asyncio
import itertools
import json
import secrets
import sqlite3
import sys
from base64 import b64encode, urlsafe_b64encode
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv

if __name__ == "__main__":
    use_venv()

from scripts.bench.proofs import emergency
from scripts.bench.proofs.verifier_race import AT_ONCE, BEFORE_EXPIRY, STRANGER, Contestant, commands, contest
from tests.harness.http_client import Connection, connect, post, run
from tests.harness.mutants import Mutant
from tests.harness.scaled import ScaledServer, part, set_up

SETTINGS = {"JWKS_MAX_AGE": "300", "KEY_LEAD_TIME": "900", "ACCESS_TOKEN_TTL": "600", "KEY_ROTATION_PERIOD": "1200"}
"""Seconds of the server's clock: the shortest lead time that is allowed in production, and the others in proportion."""
ZERO_LEAD = Mutant(
    "a key is published only when it signs",
    "keyring/keyring.py",
    '_PUBLISHED = ("active", "pending", "retired")',
    '_PUBLISHED = ("active", "retired")',
)
_PERIOD = int(SETTINGS["KEY_ROTATION_PERIOD"])
_LINGER = 120  # seconds after the last rotation, in which tokens are still issued
_MARGIN = 0.5  # real seconds before its expiry when a token is shown again
_CONNECTIONS = 4
_LOGINS = 20
_QUIET = 3  # one period in this many has no strangers
_PATIENCE = 240  # seconds beyond the time that the rotations should take, after which they have stopped


@dataclass
class Run:
    """One run: tokens are issued at a fixed rate and shown to all contestants, until enough keys have signed."""

    server: ScaledServer
    contestants: list[Contestant]
    rotations: int
    kids: list[str] = field(default_factory=list)
    """The `kid` of every key that has signed a token, in order."""
    issued: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """How many requests for a token got none, by status."""
    strangers: int = 0
    late: int = 0
    """Tokens that had expired before they could be shown again, because the machine was busy."""
    _until: float = inf
    _newest: str = ""
    _last_exp: float = 0

    async def issue(self, rate: float) -> None:
        """Issue tokens, `rate` a second in total. Raises TimeoutError if the keys do not rotate."""
        request = post("/token", {"grant_type": "client_credentials"}, authorization=_basic(self.server.machine))
        async with asyncio.timeout(_PATIENCE + 1.2 * self.rotations * _PERIOD / self.server.clock.scale):
            await self._start(request)
            strangers = asyncio.create_task(self._knock(1 / rate))
            await asyncio.gather(*(self._issue(request, _CONNECTIONS / rate, turn) for turn in range(_CONNECTIONS)))
        strangers.cancel()
        await asyncio.sleep((self._last_exp - self.server.clock.seconds()) / self.server.clock.scale)

    async def _start(self, request: bytes) -> None:
        """Issue tokens until everybody has verified one. Rotations before that do not count, since verifiers are
        starting."""
        with closing(await connect(self.server.port)) as connection:
            while not self.issued:
                await self._ask(connection, request)
        await asyncio.gather(*(each.ready.wait() for each in self.contestants))
        self.kids.clear()

    async def _issue(self, request: bytes, interval: float, turn: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time() + interval * turn / _CONNECTIONS
        with closing(await connect(self.server.port)) as connection:
            for number in itertools.count():
                await asyncio.sleep(began + number * interval - loop.time())
                if self.server.clock.seconds() > self._until:
                    break
                await self._ask(connection, request)

    async def _ask(self, connection: Connection, request: bytes) -> None:
        answer = await connection.ask(request)
        if answer.status == 200:
            self._present(json.loads(answer.body)["access_token"])
        else:
            self.refused[answer.status] += 1

    def _present(self, token: str) -> None:
        self.issued += 1
        kid, exp = part(token, 0)["kid"], part(token, 1)["exp"]
        if kid not in self.kids:
            self.kids.append(kid)
            self._until = self.server.clock.seconds() + _LINGER if len(self.kids) > self.rotations else inf
        self._show(token, AT_ONCE)
        left = (exp - self.server.clock.seconds()) / self.server.clock.scale
        asyncio.get_running_loop().call_later(left - _MARGIN, self._show_again, token, exp)
        # Tokens of two connections may arrive in another order than they were signed in.
        self._newest, self._last_exp = token, max(exp, self._last_exp)

    def _show_again(self, token: str, exp: float) -> None:
        if self.server.clock.seconds() < exp:
            self._show(token, BEFORE_EXPIRY)
        else:
            self.late += 1

    async def _knock(self, interval: float) -> None:
        """Show tokens of strangers at a fixed interval, whether or not the server issues tokens meanwhile."""
        while True:
            await asyncio.sleep(interval)
            if len(self.kids) % _QUIET:
                self.strangers += 1
                self._show(_of_a_stranger(self._newest), STRANGER)

    def _show(self, token: str, why: str) -> None:
        now = self.server.clock.seconds()
        for contestant in self.contestants:
            contestant.show(token, why, now)


def _of_a_stranger(token: str) -> str:
    """Return the token with a `kid` that nobody has."""
    header = json.dumps(part(token, 0) | {"kid": secrets.token_urlsafe(32)}).encode()
    return ".".join([urlsafe_b64encode(header).rstrip(b"=").decode(), *token.split(".")[1:]])


def _basic(client: dict[str, Any]) -> str:
    return "Basic " + b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()


async def _rotate(server: ScaledServer, rotations: int, rate: float) -> tuple[Run, int]:
    """Return the run, and how many keys were retired in it according to the database."""
    uri, scale = f"{server.url}/.well-known/jwks.json", str(server.clock.scale)
    each, skipped = commands(uri, server.url, await _audience(server), scale)
    if skipped:
        print(skipped)
    before = _retired(server)
    async with contest(each) as contestants:
        rotation = Run(server, contestants, rotations)
        await rotation.issue(rate)
    return rotation, _retired(server) - before


async def _rotate_once(server: ScaledServer) -> Run:
    """Rotate once, just after a stranger's key has used up the fetches that verifiers allow themselves: a verifier that
    does not have the new key by then rejects its first token. The result does not depend on the speed of this
    machine."""
    each, _ = commands(f"{server.url}/.well-known/jwks.json", server.url, await _audience(server), "1")
    request = post("/token", {"grant_type": "client_credentials"}, authorization=_basic(server.machine))
    async with contest(each) as contestants:
        rotation = Run(server, contestants, rotations=1)
        await rotation._start(request)
        rotation._show(_of_a_stranger(rotation._newest), STRANGER)
        old = part(rotation._newest, 0)["kid"]
        await server.run("keys", "rotate", "--emergency")
        with closing(await connect(server.port)) as connection:
            while part(rotation._newest, 0)["kid"] == old:
                await rotation._ask(connection, request)
    return rotation


def see_zero_lead(server: ScaledServer) -> bool:
    """Whether verifiers fail if a key was not published before it signs, and only then. The clock's scale must be 1."""
    failed = []
    for plant in (None, ZERO_LEAD):
        if plant:
            server.plant(plant)
        server.start()
        rotation = run(_rotate_once(server))
        server.stop()
        failed.append([each.name for each in rotation.contestants if each.failures])
        print(f"{plant.what if plant else 'published in time'}: {', '.join(failed[-1]) or 'nobody'} failed")
    return not failed[0] and bool(failed[1])


def _retired(server: ScaledServer) -> int:
    with closing(sqlite3.connect(server.folder / "authserver.db")) as database:
        counted = database.execute("SELECT count(*) FROM signing_keys WHERE retired_at IS NOT NULL").fetchone()
    return int(counted[0])


async def _audience(server: ScaledServer) -> str:
    request = post("/token", {"grant_type": "client_credentials"}, authorization=_basic(server.machine))
    with closing(await connect(server.port)) as connection:
        token = json.loads((await connection.ask(request)).body)["access_token"]
    audience = part(token, 1)["aud"]
    return str(audience if isinstance(audience, str) else audience[0])


def measure(server: ScaledServer, rotations: int, rate: float, *, zero_lead: bool = False) -> bool:
    """Return whether no verifier failed; with `zero_lead`, whether one did. The server has SETTINGS and is not
    running."""
    if zero_lead:
        server.plant(ZERO_LEAD)
    server.start()
    rotation, retired = run(_rotate(server, rotations, rate))
    server.stop()
    _print_result(rotation, retired)
    failed = [each.name for each in rotation.contestants if each.failures]
    complete = retired >= rotations and all(
        each.verified == 2 * rotation.issued - rotation.late for each in rotation.contestants
    )
    if zero_lead:
        print(f"with zero lead, these failed: {', '.join(failed) or 'NONE, so this proof is blind'}")
        return bool(failed) and complete
    print("0 failures" if complete and not failed else f"FAILED: {', '.join(failed) or 'not every token was judged'}")
    return complete and not failed


def _print_result(rotation: Run, retired: int) -> None:
    kids = f"{len(rotation.kids)} keys"
    print(f"{retired} rotations, {rotation.issued} tokens of {kids}, {rotation.strangers} strangers' tokens")
    if rotation.refused:
        print(f"requests that got no token, by status: {dict(rotation.refused)}")
    titles = (AT_ONCE, BEFORE_EXPIRY, STRANGER)
    print(f"{'':10}{'verified':>10}" + "".join(f"{title:>15}" for title in titles) + f"{'JWKS fetches':>15}")
    for each in rotation.contestants:
        failures = "".join(f"{each.failures[title]:15}" for title in titles)
        print(f"{each.name:10}{each.verified:10}{failures}{each.fetches:15}")
    for reason in (reason for each in rotation.contestants for reason in each.reasons):
        print(f"  {reason}")


def measure_emergency(server: ScaledServer, rate: float) -> bool:
    """Return whether a key could be revoked under load, and nothing but its own tokens was affected."""
    server.start()
    twin = server.twin()
    try:
        twin.start()
        return emergency.print_result(run(emergency.survive(server, twin, _LOGINS, rate)))
    finally:
        twin.stop()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--rotations", type=int, default=100, help="default 100")
    parser.add_argument("--rate", type=float, default=100, help="tokens a second (default 100)")
    parser.add_argument(
        "--scale", type=float, help="how many times as fast the server's clock is (default 60; 1 with --emergency)"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--zero-lead", action="store_true", help="plant a fault: a key is published only when it signs")
    mode.add_argument("--emergency", action="store_true", help="revoke a key under load instead; takes 70 s")
    return parser.parse_args(arguments)


def main() -> int:
    asked = parse(sys.argv[1:])
    if asked.emergency:
        with set_up(asked.scale or 1) as server:
            return 0 if measure_emergency(server, asked.rate) else 1
    with set_up(asked.scale or 60, **SETTINGS) as server:
        return 0 if measure(server, asked.rotations, asked.rate, zero_lead=asked.zero_lead) else 1


if __name__ == "__main__":
    sys.exit(main())

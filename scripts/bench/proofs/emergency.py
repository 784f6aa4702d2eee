"""Runs `authserver keys revoke KID` under load, and checks what a guard and clients notice of it.

Two servers share a database. At one of them, logins refresh all the time, and each new access token is verified at
once. Tokens of the compromised key are presented again and again. The guard reads the JWKS of the other server. The
command runs in a process of its own.

Every token of the key must be rejected within 60 s of the command, no login may end, and no token that was requested
more than 5 s after the command may be rejected.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

from authserver.resource import Guard, TokenRejected
from tests.harness.constants import PASSWORD
from tests.harness.http_client import Connection, connect, post, refresh
from tests.harness.scaled import ScaledServer, part

REFUSED_WITHIN = 60  # seconds
SETTLED_AFTER = 5  # seconds
_WARM = 2  # real seconds of load before the command
_SAMPLE = 200  # tokens of the compromised key
_ENOUGH = _SAMPLE // 10
_PAUSE = 0.02  # real seconds before they are presented again


@dataclass
class Emergency:
    """The result of a revocation, with times by the server's clock."""

    server: ScaledServer
    guard: Guard
    kid: str
    compromised: deque[str] = field(default_factory=lambda: deque(maxlen=_SAMPLE))
    revoked_at: float | None = None
    """When the command ended."""
    refreshes: int = 0
    settled: int = 0
    """Tokens that were requested more than 5 s after the command."""
    early: list[float] = field(default_factory=list)
    """How many seconds after the command new tokens were requested that were rejected, if these were at most 5."""
    accepted_until: float = 0
    faults: list[str] = field(default_factory=list)

    @property
    def since(self) -> float:
        """The seconds since the command; negative before it."""
        return -1.0 if self.revoked_at is None else self.server.clock.seconds() - self.revoked_at

    async def refresh(self, client_id: str, token: str, port: int, interval: float) -> None:
        """Refresh one login until this is cancelled or a refresh fails."""
        with closing(await connect(port)) as connection:
            while True:
                since = self.since
                answer = await connection.ask(refresh(client_id, token))
                if answer.status != 200:
                    self.faults.append(f"a refresh got {answer.status} {answer.body!r}")
                    return
                self.refreshes += 1
                members = json.loads(answer.body)
                token = members["refresh_token"]
                await self._meet(members["access_token"], since)
                await asyncio.sleep(interval)

    async def _meet(self, token: str, asked_since: float) -> None:
        """Verify a new token, which was requested this long after the command."""
        is_compromised = part(token, 0)["kid"] == self.kid
        if is_compromised:
            self.compromised.append(token)
        refused = await self._refusal(token)
        self.settled += asked_since > SETTLED_AFTER
        if is_compromised and asked_since > SETTLED_AFTER:
            self.faults.append(f"the key signed a token that was requested {asked_since:.1f} s after the command")
        elif refused and 0 <= asked_since <= SETTLED_AFTER:
            self.early.append(asked_since)
        elif refused and asked_since >= 0:
            self.faults.append(
                f"a token that was requested {asked_since:.1f} s after the command was rejected: {refused}"
            )
        elif refused and self.revoked_at is None:
            self.faults.append(f"a token was rejected before the command: {refused}")

    async def _refusal(self, token: str) -> str | None:
        try:
            await self.guard.averify(token)
        except TokenRejected as error:
            return error.reason
        return None

    async def present_compromised(self) -> None:
        """Present tokens of the compromised key until 60 s after the command, and then once more."""
        last = False
        while not last:
            last = self.since > REFUSED_WITHIN and self.settled > 0
            for token in list(self.compromised):
                since, refused = self.since, await self._refusal(token)
                if refused is None and since >= 0:
                    self.accepted_until = max(self.accepted_until, since)
                if refused == "expired":
                    raise SystemExit("The tokens expire before the guard has to reject them: this proves nothing.")
            await asyncio.sleep(_PAUSE)
        if self.accepted_until > REFUSED_WITHIN:
            self.faults.append(f"the key's tokens were accepted {self.accepted_until:.1f} s after the command")

    async def revoke(self) -> None:
        await asyncio.sleep(_WARM)
        while len(self.compromised) < _ENOUGH:  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE)
        await self.server.run("keys", "revoke", self.kid, "--yes", "--json")
        self.revoked_at = self.server.clock.seconds()


async def _log_in(connection: Connection, server: ScaledServer) -> dict[str, Any]:
    form = {"grant_type": "password", "client_id": server.app["client_id"], "username": "ada", "password": PASSWORD}
    answer = await connection.ask(post("/token", form))
    members: dict[str, Any] = json.loads(answer.body)
    return members


@asynccontextmanager
async def _running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def survive(server: ScaledServer, twin: ScaledServer, logins: int, rate: float) -> Emergency:
    """Revoke the active key while the logins refresh `rate` times per real second in total at `twin`."""
    with closing(await connect(twin.port)) as connection:
        first = [await _log_in(connection, server) for _ in range(logins)]
    kid, audience = part(first[0]["access_token"], 0)["kid"], part(first[0]["access_token"], 1)["aud"]
    jwks = f"{server.url}/.well-known/jwks.json"
    emergency = Emergency(server, Guard(server.url, audience, jwks_uri=jwks, now=server.clock.seconds), kid)
    client_id, interval = server.app["client_id"], logins / rate
    work = [emergency.refresh(client_id, each["refresh_token"], twin.port, interval) for each in first]
    async with _running(*work):
        await asyncio.gather(emergency.revoke(), emergency.present_compromised())
    return emergency


def print_result(emergency: Emergency) -> bool:
    """Print the result. Returns whether everything was as required."""
    if not emergency.settled or len(emergency.compromised) < _ENOUGH:
        emergency.faults.append("too few tokens to prove anything")
    early = f", the last of them requested {max(emergency.early):.1f} s after it" if emergency.early else ""
    settled = f"{emergency.settled} of them requested more than {SETTLED_AFTER} s after the command"
    print(f"{emergency.refreshes} refreshes, {settled}")
    print(
        f"the last of {len(emergency.compromised)} tokens of the key was accepted "
        f"{emergency.accepted_until:.1f} s after it"
    )
    print(f"{len(emergency.early)} new tokens were rejected that were requested within {SETTLED_AFTER} s of it{early}")
    for fault in emergency.faults[:5]:
        print(f"  {fault}")
    print("FAILED" if emergency.faults else "0 failures")
    return not emergency.faults

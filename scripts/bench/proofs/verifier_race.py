"""Runs verifiers in separate processes, gives all of them the same tokens, and collects their verdicts."""

import asyncio
import subprocess
import sys
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.proofs import jose_install

AT_ONCE, BEFORE_EXPIRY, STRANGER = "at once", "before expiry", "stranger"
"""Why a token is shown: it has just been issued, it is about to expire, or nobody has its key, and it must be
rejected."""
_IN_PYTHON = ("guard", "PyJWT", "joserfc")
_LAST_ANSWERS = 30  # seconds
_REASONS = 3


def commands(*arguments: str) -> tuple[dict[str, list[str]], str | None]:
    """Return the command of each verifier, and why jose is missing; None if it is not."""
    script = str(Path(__file__).with_name("verifiers.py"))
    in_python = {name: [sys.executable, script, name, *arguments] for name in _IN_PYTHON}
    try:
        return in_python | {"jose": [*jose_install.command(), *arguments]}, None
    except jose_install.Missing as error:
        return in_python, f"jose is skipped: {error}"


@dataclass
class Contestant:
    """The process of one verifier. It answers in the order of the tokens."""

    name: str
    process: asyncio.subprocess.Process
    verified: int = 0
    fetches: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """How many, by why the token was shown."""
    reasons: list[str] = field(default_factory=list)
    """The reasons of the first failures."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the first answer. Until then, the process may still be starting."""
    _asked: deque[str] = field(default_factory=deque)

    def show(self, token: str, why: str, now: float) -> None:
        assert self.process.stdin
        self._asked.append(why)
        self.process.stdin.write(f"{now:.6f} {token}\n".encode())

    async def listen(self) -> None:
        """Read the answers until the output ends."""
        assert self.process.stdout
        async for line in self.process.stdout:
            fetches, _, reason = line.decode().rstrip("\n").partition(" ")
            self.fetches = int(fetches)
            self._judge(self._asked.popleft(), reason)
            self.ready.set()
        self.ready.set()  # the process has ended; tokens without an answer count as failed

    def _judge(self, why: str, reason: str) -> None:
        self.verified += why != STRANGER
        if bool(reason) != (why == STRANGER):
            self._fail(why, reason or "accepted")

    def _fail(self, why: str, reason: str) -> None:
        self.failures[why] += 1
        if len(self.reasons) < _REASONS:
            self.reasons.append(f"{self.name}, {why}: {reason}")

    async def finish(self, listening: "asyncio.Task[None]") -> None:
        """Wait for the last answers. Tokens that have none by then count as failed."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(listening, _LAST_ANSWERS)
        except TimeoutError:
            self.process.kill()
        for why in self._asked:
            self._fail(why, "no answer")


@asynccontextmanager
async def contest(commands: Mapping[str, Sequence[str]]) -> AsyncIterator[list[Contestant]]:
    """Start the contestants, and yield them. Afterwards, all their answers have been read."""
    pipe, contestants = subprocess.PIPE, []
    try:
        for name, command in commands.items():
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
            contestants.append(Contestant(name, process))
        listening = [asyncio.create_task(each.listen()) for each in contestants]
        yield contestants
        await asyncio.gather(*(each.finish(task) for each, task in zip(contestants, listening, strict=True)))
    finally:
        for each in contestants:
            if each.process.returncode is None:
                each.process.kill()
            await each.process.wait()

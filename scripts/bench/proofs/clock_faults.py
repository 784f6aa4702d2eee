"""The faults of faults.py that set a clock: that of one server, of its workers, of one node, or of the database."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep

from scripts.bench.proofs.fault import LASTS, OnSqlite, name_of
from tests.harness import step_clock
from tests.harness.mutants import Mutant
from tests.harness.node import Node
from tests.harness.server import Server

_HOUR, _DAY = 3600, 86400
_FOLLOWED = 30  # seconds, even on a busy machine, within which a node must follow its database's new time
_NEAR = 3  # seconds: smaller changes of a clock are not logged
_STEP_CLOCK = str(Path(step_clock.__file__))


class Clock(OnSqlite):
    """The wall clocks of running servers are set forward and back: by an hour, a day or a few seconds."""

    is_answered = False
    steps: tuple[float, ...] = (_HOUR, 0, -_HOUR, 0, _DAY, 3, -3, 0)
    plant = Mutant(
        "a step forward counts towards the retry window",
        "clock.py",
        "if abs(self._offset - self._timeline.stretches[-1].offset) > DRIFT:",
        "if False:",
    )

    def program(self, node: Node) -> Sequence[str]:
        if not _clock_of(node).exists():
            step_clock.write(_clock_of(node), 0)
        return ("-P", _STEP_CLOCK, str(_clock_of(node)))

    def remove(self, server: Server) -> None:
        for node in server.nodes:
            _clock_of(node).unlink(missing_ok=True)

    def strike(self, server: Server) -> None:
        for step in self.steps:
            self.set(server, step)
            sleep(LASTS)

    def set(self, server: Server, seconds: float) -> None:
        if seconds:
            self.true_clock.is_wrong()
        for node in server.nodes[::2]:
            step_clock.write(_clock_of(node), seconds)
        if not seconds:
            self.true_clock.is_right()


class ClockOfOneNode(Clock):
    """The clock of one of two nodes is set, to no effect: both follow the clock of their PostgreSQL."""

    database, nodes = "postgresql", 2
    plant = Mutant(
        "a node keeps to its own clock",
        "background.py",
        "        await self._timekeeper.follow()\n",
        "        self._timekeeper._clock.__init__()\n",
    )

    def set(self, server: Server, seconds: float) -> None:
        step_clock.write(_clock_of(server.nodes[0]), seconds)


class ClockOfWorkers(Clock):
    """The clock is set while two workers serve, and while SIGHUP replaces them."""

    workers, closes_connections = 2, True

    def strike(self, server: Server) -> None:
        for step in self.steps:
            if step:
                server.nodes[0].send_sighup()
            self.set(server, step)
            sleep(LASTS)
        server.nodes[0].send_sighup()
        sleep(LASTS)


class ClockAtStart(Clock):
    """The server starts and is reloaded with a wrong clock, which is then set right under load."""

    closes_connections = True
    plant = Mutant(
        "the clock slews by 1 %, whatever the step",
        "clock.py",
        "        offset = self._offset = max(minimum, min(before, maximum))\n",
        "        limit = (answered_at - self._looked_at) // 100\n"
        "        step = max(minimum, min(before, maximum)) - before\n"
        "        offset = self._offset = before + max(-limit, min(limit, step))\n",
    )

    def install(self, server: Server) -> None:
        self.set(server, -_HOUR)

    def strike(self, server: Server) -> None:
        self.set(server, 0)
        sleep(LASTS)
        for step in (_HOUR, -_DAY):
            self.set(server, step)
            server.nodes[0].send_sighup()
            sleep(LASTS)
            self.set(server, 0)
            sleep(LASTS)


class ClockOfDatabase(Clock):
    """The clock of the PostgreSQL that two nodes share is set, as by a failover to another machine."""

    database, nodes = "postgresql", 2
    steps = (_HOUR, 0, -_DAY, 0)
    ahead = _NEAR  # so inexact is a slow reading of its clock
    _seconds: float = -_HOUR
    plant = Mutant(
        "the database's clock is followed by 1 %, whatever the step",
        "clock.py",
        ClockAtStart.plant.old,
        ClockAtStart.plant.new,
    )

    def install(self, server: Server) -> None:
        """Create a function that PostgreSQL finds before its own function of that name."""
        self.true_clock.is_wrong()
        server.database.execute(_OWN_CLOCK.format(name=name_of(server), seconds=self._seconds))

    def remove(self, server: Server) -> None:
        server.database.execute(_ITS_CLOCK.format(name=name_of(server)))

    def strike(self, server: Server) -> None:
        for step in ((0,) if self.hits == 0 else ()) + self.steps:
            self.hits += 1
            self.set(server, step)
            sleep(LASTS)

    def set(self, server: Server, seconds: float) -> None:
        """Set the database's clock, and wait until all nodes follow. If one does not, the tokens that it issues reveal
        it."""
        if seconds:
            self.true_clock.is_wrong()
        step, self._seconds = seconds - self._seconds, seconds
        targets = [_followed(node) + step for node in server.nodes]
        server.database.execute(f"UPDATE bench_clock SET seconds = {seconds}")
        until = monotonic() + _FOLLOWED
        while not all(map(_is_near, server.nodes, targets)) and monotonic() < until:
            sleep(LASTS / 10)
        if not seconds:
            self.true_clock.is_right()


def _is_near(node: Node, target: float) -> bool:
    return abs(_followed(node) - target) < _NEAR


def _followed(node: Node) -> float:
    """Return by how many seconds the node's clock has been set according to its log, which may have two lines for one
    step."""
    lines = [line for line in node.log.read_text().splitlines() if '"clock_stepped"' in line and line.endswith("}")]
    steps = [json.loads(line) for line in lines]
    return float(sum(each["seconds"] * (1 if each["direction"] == "forward" else -1) for each in steps))


_OWN_CLOCK = """
CREATE TABLE bench_clock (seconds DOUBLE PRECISION);
INSERT INTO bench_clock VALUES ({seconds});
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
    'SELECT pg_catalog.clock_timestamp() + make_interval(secs => (SELECT seconds FROM public.bench_clock))';
ALTER DATABASE {name} SET search_path = public, pg_catalog;
"""
_ITS_CLOCK = """
ALTER DATABASE {name} RESET search_path;
DROP FUNCTION public.clock_timestamp();
DROP TABLE public.bench_clock;
"""


def _clock_of(node: Node) -> Path:
    return node.log.with_suffix(".clock")

"""scripts/rotate_keys.py, killed with SIGKILL at every step, run twice at once, run again: the keys stay right."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from authserver import system
from authserver.keyring.lifecycle import TooEarly
from authserver.provisioning import initialise, lifecycle, open_database
from authserver.settings import Settings
from tests.cli.killer import killer as killer_of
from tests.harness.clock import Clock
from tests.harness.constants import LONG, SECOND
from tests.harness.process import environment_with, owned

DAY = 86400
SCRIPT = Path(__file__).parents[2] / "scripts" / "rotate_keys.py"
killer = partial(killer_of, Path(__file__).parent / "kill_at_step.py")


def settings_in(folder: Path) -> Settings:
    return Settings(database_url=SecretStr(f"sqlite:///{folder}/authserver.db"), keys_dir=folder / "keys")


@contextmanager
def keys_in(folder: Path, clock: Callable[[], int] = system.now) -> Iterator[Any]:
    database = open_database(settings_in(folder), clock)
    yield lifecycle(settings_in(folder), database, clock)
    database.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server that nobody looked after for 100 days: a promotion, a destruction and a removal are due."""
    folder = tmp_path_factory.mktemp("template")
    clock = Clock(system.now() - 200 * DAY * SECOND)
    with keys_in(folder, clock) as keys:
        initialise(settings_in(folder), keys.database, clock)
        clock.forward(100 * DAY)
        keys.promote("RS256")
    return folder


def kids(folder: Path) -> dict[str, list[str]]:
    """The kids in each state, by a process of its own."""
    with keys_in(folder) as keys:
        found: dict[str, list[str]] = {}
        for key in keys.read():
            found.setdefault(key.state, []).append(key.kid)
    return found


def assert_right(folder: Path, before: dict[str, list[str]]) -> None:
    now = kids(folder)
    assert (len(now["active"]), len(now["pending"])) == (1, 1)
    assert now["active"][0] in before["active"] + before["pending"]
    # What may have signed a living token is what was active until now.
    assert set(before["active"] + before["pending"]) <= {
        kid for state in now if state != "removed" for kid in now[state]
    }


def killed_at_every_step(template: Path, folder: Path, *command: str | Path) -> Iterator[Any]:
    """Yields a folder with what was left, for each step."""
    with killer(*command) as kill:
        for step in count(1):
            left = folder / str(step)
            shutil.copytree(template, left)
            code = kill(step, left)
            if code != -9:
                assert code == 0
                break
            yield left
    assert step > 8, "it was hardly ever killed"


def test_killed_at_every_step_and_run_again_it_has_promoted_once(template: Path, tmp_path: Path) -> None:
    before = kids(template)
    outcomes = set()
    for left in killed_at_every_step(template, tmp_path, SCRIPT):
        assert_right(left, before)
        with keys_in(left) as keys:
            try:
                keys.promote("RS256")
                outcomes.add("promoted")
            except TooEarly:
                outcomes.add("had been promoted")
        assert_right(left, before)
        assert kids(left)["active"] == before["pending"]
    assert outcomes == {"promoted", "had been promoted"}


def test_killed_at_every_step_the_schedule_continues_where_it_was(template: Path, tmp_path: Path) -> None:
    before, done = kids(template), set()
    for left in killed_at_every_step(template, tmp_path, SCRIPT, "--due"):
        assert_right(left, before)
        with keys_in(left) as keys:
            done.add(tuple(step.change for step in keys.run_due()))
        assert_right(left, before)
        now = kids(left)
        assert (now["active"], now["retired"], now["removed"]) == (
            before["pending"],
            before["active"],
            before["retired"],
        )
    assert done == {("promote", "destroy", "remove"), ("destroy", "remove"), ("remove",), ()}


def test_killed_at_every_step_a_compromised_host_has_lost_all_its_keys_or_none(template: Path, tmp_path: Path) -> None:
    before, outcomes = kids(template), set()
    for left in killed_at_every_step(template, tmp_path, "authserver", "keys", "revoke", "--all", "--yes"):
        with keys_in(left) as keys:
            state = keys.read_state()
        lost = [key.state == "revoked" for key in state.signing_keys] + [
            bool(key.revoked_at) for key in state.refresh_keys
        ]
        assert (kids(left) == before) if not any(lost) else (lost.count(False), sum(lost)) == (3, 4)
        outcomes.add(any(lost))
    assert outcomes == {True, False}


@pytest.mark.parametrize(("arguments", "codes"), [([], [0, 3]), (["--due"], [0, 0])])
def test_two_at_once_are_one(template: Path, tmp_path: Path, arguments: Any, codes: Any) -> None:
    folder = tmp_path / "two"
    shutil.copytree(template, folder)
    command = [sys.executable, SCRIPT, *arguments]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as owner:
        both = [subprocess.Popen(command, cwd=folder, env=environment_with({}), **quiet) for _ in range(2)]
        for process in both:
            owner.enter_context(owned(process))
        assert sorted(process.wait(LONG) for process in both) == codes
    assert_right(folder, kids(template))
    assert kids(folder)["active"] == kids(template)["pending"]

"""tests/harness/forks.py: a command that is forked does what one does that Python starts."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness import forks
from tests.harness.constants import LONG
from tests.harness.process import environment_with, run

SETTINGS = {"LOG_LEVEL": "warning"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("version",),
        ("user", "create", "ada", "--password-stdin"),
        ("user", "create", "ada", "--no-such-option"),
        ("config", "show"),
    ],
)
def test_it_reads_prints_and_ends_like_a_new_interpreter(arguments: tuple[str, ...], tmp_path: Path) -> None:
    environment, password = environment_with(SETTINGS), "too short"
    anew = subprocess.run(
        [sys.executable, "-m", "authserver", *arguments],
        cwd=tmp_path,
        env=environment,
        input=password,
        capture_output=True,
        text=True,
    )
    assert forks.can_fork(environment)
    forked = run(*arguments, folder=tmp_path, settings=SETTINGS, input=password, check=False)
    assert (forked.returncode, forked.stdout, forked.stderr) == (anew.returncode, anew.stdout, anew.stderr)


def test_as_an_installed_command_it_has_its_name_its_exit_code_and_is_ended_by_signals(tmp_path: Path) -> None:
    forks.install_command(tmp_path)
    options: dict[str, Any] = {"cwd": tmp_path, "env": environment_with(SETTINGS), "stdout": subprocess.PIPE}
    options |= {"stderr": subprocess.STDOUT, "text": True}
    asked = subprocess.run([tmp_path / "authserver", "user", "create"], **options)
    assert (asked.returncode, asked.stdout.splitlines()[0]) == (2, "Usage: authserver user create [OPTIONS] NAME")
    with subprocess.Popen([tmp_path / "authserver", "token", "inspect"], stdin=subprocess.PIPE, **options) as process:
        process.terminate()
        assert process.wait(LONG) == -signal.SIGTERM


def test_what_an_interpreter_reads_at_its_start_is_not_for_a_fork() -> None:
    assert not forks.can_fork(environment_with({}) | {"PYTHONPATH": "/elsewhere"})

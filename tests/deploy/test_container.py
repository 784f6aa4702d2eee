"""scripts/deploy/Containerfile: its steps one by one, since a build needs a daemon and an image from elsewhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.conftest import ISSUER
from tests.harness.constants import LONG
from tests.harness.live import Live
from tests.harness.process import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steps(deploy: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", (deploy / "Containerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def test_what_is_copied_is_there_and_enough_to_build(steps: list[tuple[str, str]], tmp_path: Path) -> None:
    """The copied files alone make a wheel with the server and its openapi.yaml."""
    names = [name for kind, rest in steps if kind == "COPY" and "--from" not in rest for name in rest.split()[:-1]]
    for name in names:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    build = ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", "wheels", "."]
    subprocess.run([sys.executable, *build], cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "wheels").iterdir()
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True)
    assert "authserver/openapi.yaml" in listed.stdout
    assert "authserver/serving" in listed.stdout or "authserver/cli" in listed.stdout


def test_every_run_line_is_a_shell_command(steps: list[tuple[str, str]]) -> None:
    for line in [rest for kind, rest in steps if kind == "RUN"]:
        subprocess.run(["sh", "-n", "-c", line], check=True)


def test_the_command_is_one_of_ours(steps: list[tuple[str, str]]) -> None:
    by_kind = {kind: rest for kind, rest in steps}
    (program,) = json.loads(by_kind["ENTRYPOINT"])
    assert program == "authserver"
    arguments = json.loads(by_kind["CMD"])
    subprocess.run([sys.executable, "-m", "authserver", *arguments, "--help"], check=True, capture_output=True)


def test_the_image_runs_as_nobody_special(steps: list[tuple[str, str]]) -> None:
    assert ("USER", "10001") in steps


def test_the_health_check_tells_a_server_that_is_up_from_one_that_is_not(
    steps: list[tuple[str, str]], server: Live
) -> None:
    (line,) = [rest for kind, rest in steps if kind == "HEALTHCHECK"]
    command = json.loads(line.partition("CMD ")[2])
    exit_codes = {}
    for port in (server.port, free_port()):
        assert command[2].count(":8000") == 1
        check = [sys.executable, "-c", command[2].replace(":8000", f":{port}")]
        checked = subprocess.run(check, env={"AUTHSERVER_ISSUER": ISSUER}, capture_output=True, timeout=LONG)
        exit_codes[port == server.port] = checked.returncode
    assert exit_codes == {True: 0, False: 1}

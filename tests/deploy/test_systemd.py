"""scripts/deploy/authserver.service, as far as it can be tested without being process 1."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MOST_EXPOSED = 20
"""Tenths of what `systemd-analyze security` calls exposure: up to 2.0, which it calls OK."""
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def unit(deploy: Path, tmp_path: Path) -> Path:
    """The unit, with this environment's `authserver` in place of the one in /opt."""
    command = str(Path(sys.prefix) / "bin" / "authserver")
    text = (deploy / "authserver.service").read_text()
    assert text.count("/opt/authserver/bin/authserver ") == 2
    copy = tmp_path / "authserver.service"
    copy.write_text(text.replace("/opt/authserver/bin/authserver ", f"{command} "))
    return copy


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@needs_systemd
def test_a_misspelt_line_would_be_seen(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=120)
    assert "NoNewPriviledges" in verified.stderr


@needs_systemd
def test_the_sandbox_is_tight(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit)]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert judged.returncode == 0, judged.stdout


def test_its_commands_exist_with_their_options(deploy: Path, tmp_path: Path) -> None:
    """`init` is safe before each start: the second time it changes nothing."""
    lines = (deploy / "authserver.service").read_text().splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith(("ExecStartPre=", "ExecStart="))]
    assert [command[0] for command in commands] == ["init", "serve"]
    for command in commands:
        subprocess.run([sys.executable, "-m", "authserver", *command, "--help"], check=True, capture_output=True)
    key_sets = []
    for _ in range(2):
        subprocess.run([sys.executable, "-m", "authserver", "init"], cwd=tmp_path, check=True, capture_output=True)
        listed = [sys.executable, "-m", "authserver", "keys", "list", "--json"]
        key_sets.append(json.loads(subprocess.run(listed, cwd=tmp_path, check=True, capture_output=True).stdout))
    assert len(key_sets[0]) > 0
    assert key_sets[0] == key_sets[1]


def test_wrong_settings_exit_with_the_code_that_systemd_does_not_retry(deploy: Path, tmp_path: Path) -> None:
    assert "RestartPreventExitStatus=78" in (deploy / "authserver.service").read_text()
    (tmp_path / "authserver.toml").write_text('issuer = "ftp://login.example"\n')
    served = [sys.executable, "-m", "authserver", "serve", "--port", "0"]
    assert subprocess.run(served, cwd=tmp_path, capture_output=True, timeout=120).returncode == 78

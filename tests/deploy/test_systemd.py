"""scripts/deploy/authserver.service, as far as it can be tested without being process 1."""

import json
import re
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


def start_line(deploy: Path) -> str:
    """What the unit's shell runs."""
    (line,) = re.findall("^ExecStart=/bin/sh -c '(.*)'$", (deploy / "authserver.service").read_text(), re.MULTILINE)
    return str(line)


def test_its_commands_exist_with_their_options(deploy: Path, tmp_path: Path) -> None:
    """`init` is safe before each start: the second time it changes nothing."""
    commands = [part.split()[1:] for part in start_line(deploy).replace("exec ", "").split(" && ")]
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


@pytest.mark.parametrize(
    ("settings", "code"), [('issuer = "ftp://login.example"', 78), ('database_url = "sqlite:////late/as.db"', 69)]
)
def test_systemd_retries_a_late_database_for_ever_and_wrong_settings_never(
    unit: Path, tmp_path: Path, settings: str, code: int
) -> None:
    """Both fail in `init`, whose exit code counts only as that of the main process."""
    text = unit.read_text()
    assert "RestartPreventExitStatus=78" in text and "ExecStartPre=" not in text.replace("not in ExecStartPre=", "")
    assert "StartLimitIntervalSec=0" in text.partition("[Service]")[0]
    (tmp_path / "authserver.toml").write_text(settings)
    done = subprocess.run(["sh", "-c", start_line(tmp_path)], cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr

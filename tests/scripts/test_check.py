"""scripts/check: what it runs, its exit codes, and a lock that is out of step with pyproject.toml."""

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def check(project: Path) -> ModuleType:
    loader = SourceFileLoader("check", str(project / "scripts" / "check"))
    spec = spec_from_loader("check", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_check_runs_and_the_failed_ones_are_named(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in check.CHECKS:
        monkeypatch.setitem(check.CHECKS, name, lambda name=name: name not in ("format", "locks"))
    assert check.main([]) == 1
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("$ ")] == [
        "$ ruff check .",
        "$ ruff format --check .",
        "$ mypy",
        "$ lint-imports",
        "$ scripts/check locks",
    ]
    assert "Failed: format, locks" in printed


def test_only_the_named_checks_run(
    check: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(check.CHECKS, "mypy", lambda: True)
    monkeypatch.setitem(check.CHECKS, "ruff", lambda: False)
    assert check.main(["mypy"]) == 0
    assert check.main(["ruff", "mypy"]) == 1
    assert "Failed: ruff\n" in capsys.readouterr().out


def test_a_check_that_does_not_exist_is_exit_code_2(check: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["mypi"]) == 2
    assert "There is no check mypi; there are ruff, format, mypy, imports, locks." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("click==", "klick==", "requirements.lock lacks click"),
        ("click==8", "click==1", "requirements.lock has click 1"),
    ],
)
def test_a_lock_that_is_out_of_step_is_found(
    check: ModuleType, project: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, complaint: str
) -> None:
    assert check.locks(project)
    lock = project / "requirements.lock"
    text = lock.read_text()
    assert f"\n{old}" in text
    lock.write_text(text.replace(f"\n{old}", f"\n{new}"))
    assert not check.locks(project)
    assert complaint in capsys.readouterr().out


@pytest.mark.parametrize("has_venv", [False, True], ids=["no .venv", "the quickstart's .venv"])
def test_without_the_checks_it_says_what_to_run(project: Path, has_venv: bool) -> None:
    if has_venv:
        (project / ".venv" / "bin").mkdir(parents=True)
        (project / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done = subprocess.run([sys.executable, project / "scripts" / "check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "python3 scripts/quickstart.py test --fast" in done.stderr


def test_the_pre_commit_hook_runs_it() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["scripts/check"]
    assert os.access(ROOT / "scripts" / "check", os.X_OK)

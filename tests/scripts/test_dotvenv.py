"""scripts/dotvenv.py: when .venv is left alone, when it is installed into, and when it is made anew."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def test_no_mark_means_not_installed(dotvenv: ModuleType) -> None:
    assert not dotvenv.installed("run")


def test_the_test_lock_satisfies_a_run_and_not_the_reverse(dotvenv: ModuleType, venv: Path) -> None:
    dotvenv.mark("run", "test")
    assert dotvenv.installed("run") and dotvenv.installed("test")
    dotvenv.mark("run")
    assert dotvenv.installed("run") and not dotvenv.installed("test")


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.lock"])
def test_a_changed_lock_or_project_file_means_an_installation(
    project: Path, dotvenv: ModuleType, venv: Path, name: str
) -> None:
    with (project / name).open("a") as file:
        file.write("\n")
    assert not dotvenv.installed("run")


def test_a_broken_interpreter_means_an_installation(dotvenv: ModuleType, venv: Path) -> None:
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")
    assert not dotvenv.installed("run")
    assert not dotvenv.usable()


def test_an_unfinished_venv_is_never_gone_on_with(dotvenv: ModuleType, venv: Path) -> None:
    assert dotvenv.usable()
    dotvenv.mark()
    assert not dotvenv.installed("run")
    assert not dotvenv.usable()


@pytest.mark.parametrize("identity", ["cpython-310 {venv}", "{tag} /elsewhere/.venv"])
def test_a_venv_of_another_python_or_another_folder_is_replaced(dotvenv: ModuleType, venv: Path, identity: str) -> None:
    mark = dotvenv.read_json(dotvenv.MARK)
    mark["venv"] = identity.format(venv=venv, tag=sys.implementation.cache_tag)
    dotvenv.MARK.write_text(json.dumps(mark))
    assert not dotvenv.installed("run")
    assert not dotvenv.usable()


def test_a_venv_that_somebody_made_by_hand_is_installed_into(dotvenv: ModuleType, venv: Path) -> None:
    dotvenv.MARK.unlink()
    assert not dotvenv.installed("run")
    assert dotvenv.usable()


def test_what_pip_is_asked_and_when_the_digest_is_written(
    dotvenv: ModuleType, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(dotvenv, "uv", lambda *arguments: False)
    monkeypatch.setattr(dotvenv, "pip", lambda *arguments: asked.append((arguments, dotvenv.installed("run"))))
    dotvenv.install("test")
    assert asked == [
        (("--require-hashes", "-r", "requirements-test.lock"), False),
        (("--no-deps", "--no-build-isolation", "-e", "."), False),
    ]
    assert dotvenv.installed("test")


def test_a_python_without_ensurepip_names_the_package_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import runpy, sys; sys.modules['ensurepip'] = None; sys.path.insert(0, 'scripts'); sys.argv = ['quickstart']; "
    )
    code += "runpy.run_path('scripts/quickstart.py', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: This Python") and "apt-get install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".venv").exists()


@pytest.fixture
def fake_uv(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """`fake_uv(code)` is the only uv on the PATH: it writes down what it is asked and whether it is to trust the
    certificate authorities of this machine, and ends with this code."""

    def fake_uv(code: int) -> Path:
        folder = project / "bin"
        folder.mkdir()
        (folder / "uv").write_text(f'#!/bin/sh\necho "$UV_SYSTEM_CERTS" "$@" >> {folder}/asked\nexit {code}\n')
        (folder / "uv").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / "asked"

    return fake_uv


def test_uv_installs_where_it_is_with_the_same_hashes(
    dotvenv: ModuleType, venv: Path, fake_uv: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = fake_uv(0)
    monkeypatch.setattr(dotvenv, "pip", lambda *arguments: pytest.fail("pip was asked"))
    dotvenv.install("run")
    to = f"true pip install --quiet --python {venv}/bin/python"
    assert asked.read_text().splitlines() == [
        f"{to} --require-hashes -r requirements.lock",
        f"{to} --no-deps --no-build-isolation -e .",
    ]


def test_where_uv_fails_pip_installs(
    dotvenv: ModuleType, venv: Path, fake_uv: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_uv(2)
    asked: list[str] = []
    monkeypatch.setattr(dotvenv, "pip", lambda *arguments: asked.append(arguments[0]))
    dotvenv.install("run")
    assert asked == ["--require-hashes", "--no-deps"]


def test_progress_is_shown_on_a_terminal_only(dotvenv: ModuleType) -> None:
    code = "import dotvenv, os; assert dotvenv.run_with_progress(['sleep', '1.2'], dict(os.environ)) == 0"
    command = [sys.executable, "-c", code]
    scripts = dotvenv.ROOT / "scripts"
    terminal, inside = pty.openpty()
    try:
        subprocess.run(command, cwd=scripts, stderr=inside, check=True)
        assert b" s " in os.read(terminal, 1000)
    finally:
        os.close(terminal)
        os.close(inside)
    assert subprocess.run(command, cwd=scripts, capture_output=True, check=True).stderr == b""


def test_a_command_that_fails_says_so(dotvenv: ModuleType) -> None:
    assert dotvenv.run_with_progress(["false"], {"PATH": "/usr/bin:/bin"}) == 1


def test_a_script_that_needs_what_only_tests_have_says_what_to_run(
    dotvenv: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(dotvenv.VENV))  # else it would become that Python's process
    dotvenv.continue_in_venv("json")
    with pytest.raises(SystemExit, match="needs no_such_module.*\n\n.*quickstart.py test --fast"):
        dotvenv.continue_in_venv("no_such_module")

"""scripts/dotvenv.py: when .venv is left alone, when it is installed into, and when it is made anew."""

import json
import subprocess
import sys
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
def test_a_venv_of_another_python_or_another_folder_is_made_anew(
    dotvenv: ModuleType, venv: Path, identity: str
) -> None:
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
    asked = []
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
    assert "apt-get install python3-venv" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".venv").exists()

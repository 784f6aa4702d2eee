"""What the tests of scripts/ share: a folder that looks like the project and is nobody else's."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ("pyproject.toml", "requirements.lock", "requirements-test.lock")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that looks like the project to the scripts, and is nobody else's."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in PROJECT:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "keys").mkdir()
    return tmp_path


def load(project: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, project / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dotvenv(project: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load(project, "dotvenv")
    monkeypatch.setitem(sys.modules, "dotvenv", module)  # quickstart imports it by this name
    return module


@pytest.fixture
def quickstart(project: Path, dotvenv: ModuleType) -> ModuleType:
    return load(project, "quickstart")


@pytest.fixture
def venv(project: Path, dotvenv: ModuleType) -> Path:
    """This interpreter's environment, seen as the project's own .venv with a valid mark: nothing is to be installed."""
    real = Path(sys.prefix)
    if not (real / "pyvenv.cfg").exists():
        pytest.skip("pytest does not run in a virtual environment")
    made = project / ".venv"
    (made / "bin").mkdir(parents=True)
    (made / "lib").symlink_to(real / "lib")
    shutil.copy(real / "pyvenv.cfg", made)
    for command in (real / "bin").iterdir():
        (made / "bin" / command.name).symlink_to(command)
    dotvenv.mark("run", "test")
    return made

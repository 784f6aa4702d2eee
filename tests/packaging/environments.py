"""Pythons of this machine, and environments of them into which packages are installed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.readme.blocks import ROOT

VERSIONS = ("3.11", "3.12", "3.13", "3.14")  # the classifiers in pyproject.toml
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
UV_PYTHONS = Path.home() / ".local" / "share" / "uv" / "python"


@cache
def interpreter(version: str) -> str | None:
    """A Python of this version that can make environments: this one, pyenv's, uv's or one on the PATH."""
    return next((path for path in candidates(version) if works(path, version)), None)


def candidates(version: str) -> Iterator[str]:
    yield sys._base_executable  # type: ignore[attr-defined]
    roots = os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), os.environ.get("UV_PYTHON_INSTALL_DIR", UV_PYTHONS)
    for root in map(Path, roots):
        yield from map(str, root.glob(f"**/*{version}.*/bin/python{version}"))
    yield shutil.which(f"python{version}") or ""


def works(path: str, version: str) -> bool:
    program = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        return subprocess.run([path, "-c", program], capture_output=True, text=True).stdout.strip() == version
    except OSError:
        return False


class Environment:
    """A virtual environment without pip: this interpreter's pip installs into it."""

    def __init__(self, version: str, folder: Path) -> None:
        python = interpreter(version)
        if python is None:
            pytest.skip(f"Python {version} is not on this machine")
        self.version, self.folder, self.bin = version, folder, folder / "venv" / "bin"
        subprocess.run([python, "-m", "venv", "--without-pip", folder / "venv"], check=True)

    def download(self, package: str) -> None:
        """Install a package from the index, in the locked versions; skip the test if that is impossible here."""
        constraints = self.folder / "constraints.txt"
        constraints.write_text("\n".join(locked()))
        self._download(package, "--constraint", str(constraints))

    def download_lock(self, name: str) -> None:
        """Install everything in a lock, as `download` does."""
        self._download("--require-hashes", "--requirement", str(Path(ROOT) / name))

    def _download(self, *arguments: str) -> None:
        done = self._install(*arguments)
        if done.returncode:
            pytest.skip(f"Python {self.version}: pip install {' '.join(arguments)} failed: {done.stderr[-300:]}")

    def install(self, package: str) -> None:
        """Install a file of ours with the packages that are already there: what it needs beyond them is an error."""
        done = self._install("--no-index", "--no-build-isolation", package)
        assert done.returncode == 0, done.stderr

    def remove(self, package: str) -> None:
        """Delete a package that the lock contains."""
        (folder,) = (self.bin.parent / "lib").glob(f"python*/site-packages/{package}")
        shutil.rmtree(folder)

    def _install(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """By uv where it is installed, which takes a second; by pip where it is not."""
        python, uv = str(self.bin / "python"), shutil.which("uv")
        pip = [uv, "pip", "install", "--python", python] if uv else [*PIP, "--python", python, "install"]
        command = [*pip, "--quiet", "--no-compile", *arguments]
        environment = {"UV_SYSTEM_CERTS": "true", **os.environ}  # as scripts/dotvenv.py
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def packages(self) -> set[str]:
        program = "from importlib.metadata import distributions; print(*(each.name for each in distributions()))"
        return set(self.python(program).stdout.lower().split())

    def check(self) -> None:
        """`pip check`: every package has what it requires."""
        command = [*PIP, "--python", str(self.bin / "python"), "check"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

    def run(self, *command: str, input: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command of this environment, in its folder, with these AUTHSERVER_... variables and no others."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("AUTHSERVER_", "PYTHON"))}
        mine |= {f"AUTHSERVER_{name}": value for name, value in environment.items()}
        words = [str(self.bin / command[0]), *command[1:]]
        return subprocess.run(words, cwd=self.folder, env=mine, input=input, capture_output=True, text=True)

    def python(self, program: str, input: str = "") -> "subprocess.CompletedProcess[str]":
        return self.run("python", "-I", "-W", "error", "-c", program, input=input)


def locked() -> list[str]:
    """The lines `name==version` of the lock, with their markers and without their hashes."""
    lock = (Path(ROOT) / "requirements-test.lock").read_text()
    return re.findall(r"^(\S+==[^\\\n]+?) *\\?$", lock, re.MULTILINE)

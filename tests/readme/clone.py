"""A fresh copy of the project for a newcomer, and this interpreter's environment as the .venv of that copy."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.readme.blocks import ROOT
from tests.scripts.conftest import load


def copy_project(to: Path) -> None:
    """What a commit of everything here would hold."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for source in filter(Path.is_file, (ROOT / name for name in names if name)):
        target = to / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def make_venv(project: Path) -> None:
    """As quickstart.py would, without a download: the packages are this interpreter's, authserver is the copy's."""
    real, made = Path(sys.prefix), project / ".venv"
    for command in (real / "bin").iterdir():
        adopt(command, made / "bin" / command.name, real, made)
    shutil.copy(real / "pyvenv.cfg", made)
    packages = made / Path(sysconfig.get_path("purelib")).relative_to(real)
    packages.mkdir(parents=True)
    (packages / "project.pth").write_text(f"{project}\n{sysconfig.get_path('purelib')}\n")
    load(project, "dotvenv").mark("run", "test")


def adopt(command: Path, target: Path, real: Path, made: Path) -> None:
    """Scripts name the environment that they belong to; everything else can be a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = command.read_bytes()
    if command.is_symlink() or bytes(real) not in content or b"\0" in content:
        target.symlink_to(command)
    else:
        target.write_bytes(content.replace(bytes(real), bytes(made)))
        target.chmod(0o755)


def make_python3(folder: Path) -> Path:
    """A folder for the PATH with the `python3` that .venv was made with, outside of .venv."""
    folder.mkdir(parents=True)
    (folder / "python3").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    return folder

#!/usr/bin/env python3
"""Compile requirements.lock and requirements-test.lock from pyproject.toml, for all platforms and with hashes.

Needs uv on the PATH (`pip install uv`) and a network. Locked versions stay unless pyproject.toml
requires others. Options go to uv: `--upgrade` upgrades everything, `--upgrade-package NAME` one package.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = "hatchling\neditables\n"  # what `pip install --no-build-isolation -e .` needs installed
COMPILE = ("pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes")
PLAIN = ("--no-annotate", "--no-header")  # so that they contain no host and no path of this machine


def compile_lock(uv: str, name: str, *options: str) -> None:
    command = [uv, *COMPILE, *PLAIN, *options, "--output-file", name, "pyproject.toml", "-"]
    code = subprocess.run(command, cwd=ROOT, input=BUILD, text=True, stdout=subprocess.DEVNULL).returncode
    if code:
        sys.exit(code)


def main(options: list[str]) -> None:
    uv = shutil.which("uv")
    if uv is None:
        sys.exit("Error: scripts/lock.py needs uv on the PATH: pip install uv")
    compile_lock(uv, "requirements-test.lock", "--extra", "test", *options)
    # Constrained by the larger one, so that a package in both has one version.
    extras = ("--extra", "demo", "--extra", "postgres")
    compile_lock(uv, "requirements.lock", *extras, "--constraints", "requirements-test.lock", *options)


if __name__ == "__main__":
    main(sys.argv[1:])

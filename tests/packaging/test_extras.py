"""What is said where only the guard is installed, or the guard and half of the server."""

import subprocess
import sys
from pathlib import Path

import pytest


def without(package: str, program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    blocked = f"import sys; sys.modules[{package!r}] = None; "
    command = [sys.executable, "-c", blocked + program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("package", ["click", "sqlalchemy", "starlette", "uvicorn"])
def test_a_command_names_the_extra(package: str, tmp_path: Path) -> None:
    program = "sys.argv[1:] = ['serve']; from authserver.__main__ import main; main()"
    refused = without(package, program, tmp_path)
    assert (refused.returncode, refused.stdout) == (78, "")
    assert refused.stderr == (
        f"Error: The server needs {package}, which is not installed; the guard alone does not need it. Run:\n\n"
        '    pip install "authserver[server]"\n'
    )
    assert list(tmp_path.iterdir()) == []


def test_a_module_of_our_own_that_is_missing_is_no_missing_extra(tmp_path: Path) -> None:
    failed = without("authserver.cli", "from authserver.__main__ import main; main()", tmp_path)
    assert failed.returncode == 1 and "Traceback" in failed.stderr


def test_the_issuer_for_tests_names_the_extra(tmp_path: Path) -> None:
    for program in ("import authserver.testing", "from authserver.testing import issuer"):
        refused = without("sqlalchemy", program, tmp_path)
        assert refused.stderr.endswith(
            "authserver.testing needs sqlalchemy, which is not installed; the guard alone does not need it. Run:\n\n"
            '    pip install "authserver[testing]"\n'
        )

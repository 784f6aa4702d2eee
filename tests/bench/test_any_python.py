"""The documentation starts measurements with `python3`: a Python without packages starts them again with .venv's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "scripts" / "bench" / "README.md", *(ROOT / "docs").glob("**/*.md"))
TEXT = "".join(page.read_text() for page in PAGES)
SCRIPTS = sorted(set(re.findall(r"python3 (scripts/bench/\S+\.py)", TEXT)))


def test_the_pages_name_such_scripts() -> None:
    assert len(SCRIPTS) > 10


@pytest.mark.skipif(not (ROOT / ".venv" / "bin" / "python").exists(), reason="there is no .venv to continue in")
@pytest.mark.parametrize("script", SCRIPTS)
def test_any_python_can_start_it(script: str) -> None:
    without_packages = [os.path.realpath(sys.executable), "-S", script, "--help"]
    done = subprocess.run(without_packages, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout[:6]) == (0, "usage:"), done.stderr

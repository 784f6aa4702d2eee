"""Installs packages for Node, if npm is installed and can reach its registry."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
_SECONDS = 120
_AT_ONCE = {"NPM_CONFIG_FETCH_RETRIES": "0", "NPM_CONFIG_AUDIT": "false", "NPM_CONFIG_FUND": "false"}


def install(folder: Path, *packages: str) -> None:
    """Install packages into `folder`. Skips the test with a reason if npm cannot."""
    line = ["npm", "install", "--prefix", str(folder), *packages]
    try:
        done = subprocess.run(line, env=os.environ | _AT_ONCE, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install took longer than {_SECONDS} s")
    if done.returncode:
        pytest.skip(f"npm install failed: {(done.stderr.strip().splitlines() or ['no reason given'])[0]}")

"""Installs jose, which most Node applications use to verify tokens, into .venv, from a lock with digests."""

import shutil
import subprocess
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from shutil import which

from scripts.dotvenv import VENV

_SOURCE = Path(__file__).with_name("jose")
_SECONDS = 120


class Missing(Exception):
    """jose cannot run here; the text says why."""


def command() -> list[str]:
    """Return the command that runs the verifier, without its arguments. Installs jose the first time. Raises
    Missing."""
    node, npm = which("node"), which("npm")
    if not node or not npm:
        raise Missing(f"{'npm' if node else 'Node'} is not installed")
    contents = b"".join(path.read_bytes() for path in sorted(_SOURCE.iterdir()) if path.is_file())
    folder = VENV / f"jose-{sha256(contents).hexdigest()[:12]}"
    if not folder.exists():
        _install(npm, folder)
    return [node, str(folder / "verifier.mjs")]


def _install(npm: str, folder: Path) -> None:
    """Install into a temporary folder, then move it into place, so that the installation is always complete."""
    VENV.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=VENV) as temporary:
        made = Path(temporary) / "made"
        shutil.copytree(_SOURCE, made, ignore=shutil.ignore_patterns("node_modules"))
        line = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(line, cwd=made, capture_output=True, text=True, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            raise Missing(f"npm ci took longer than {_SECONDS} s") from None
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise Missing(f"npm ci failed: {said[0]}")
        with suppress(OSError):  # another process installed it first
            made.rename(folder)

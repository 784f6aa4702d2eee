"""The pages are translated, and their translations compiled."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_text_is_translated_and_compiled() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "translations.py"), "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not checked.returncode, checked.stderr

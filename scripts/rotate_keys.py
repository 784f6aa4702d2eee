#!/usr/bin/env python3
"""Promote the pending signing key, as `authserver keys rotate` does. Any Python can start this; .venv's runs it."""

import os
import sys
from pathlib import Path

from dotvenv import PYTHON, VENV

if Path(sys.prefix) != VENV and PYTHON.exists():
    os.execv(PYTHON, [PYTHON, __file__, *sys.argv[1:]])

try:
    from authserver.cli import main
except ModuleNotFoundError as error:
    sys.exit(f"Error: {error}. Set this folder up first:\n\n    python3 scripts/quickstart.py")

if __name__ == "__main__":
    main(["keys", "rotate", *sys.argv[1:]], prog_name="authserver")

"""A hardware security module for tests: SoftHSM2, with its tokens in a folder of the test session."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.constants import LONG

PIN = "the PIN of the tests"
IN_PROCESS = ("keys", "locked", "lifecycle")
"""Tokens that the test process uses itself: they are there from the first, for a module that it has loaded does not see
later ones."""
_FOLDERS = ("/usr/lib/softhsm", "/usr/lib/*/softhsm", "/usr/lib*/pkcs11", "/opt/homebrew/lib/softhsm")
MODULES = [file for folder in _FOLDERS for file in Path("/").glob(f"{folder[1:]}/libsofthsm2.so")]
needs_softhsm = pytest.mark.skipif(
    not MODULES or shutil.which("softhsm2-util") is None, reason="SoftHSM2 is not installed"
)


@dataclass(frozen=True)
class Token:
    label: str
    pin: str

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings for tests.harness.live.run and live."""
        return {"PKCS11_MODULE": str(MODULES[0]), "PKCS11_TOKEN": self.label, "PKCS11_PIN": self.pin}


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tokens, which contains those of IN_PROCESS. The module in this process and its child
    processes finds it through the environment."""
    folder = tmp_path_factory.mktemp("softhsm")
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    if MODULES and shutil.which("softhsm2-util"):
        for label in IN_PROCESS:
            new_token(label)
    return folder


def new_token(label: str, pin: str = PIN) -> Token:
    """Create a token in the folder of `softhsm`, for other processes."""
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "of the tests"]
    subprocess.run(command, check=True, capture_output=True, timeout=LONG)
    return Token(label, pin)

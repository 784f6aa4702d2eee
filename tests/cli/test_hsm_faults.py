"""An HSM that hangs, is not there or is not named: what goes on, what is told, and how the server ends."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.harness.constants import LONG
from tests.harness.hsm import Token, needs_softhsm, new_token
from tests.harness.live import Live, started
from tests.harness.process import environment_with, run

pytestmark = needs_softhsm
pytest.importorskip("pkcs11")
HANGS = """
import os, sys, time
from authserver import app, pool
from authserver.cli import main
from authserver.keyring.pkcs11_session import TokenSession

app._SIGNATURE_TIMEOUT, pool._SHUTDOWN_TIMEOUT = 0.3, 0.3
use = TokenSession.use

def hang(self, work, **options):
    while os.path.exists("hang"):
        time.sleep(0.02)
    return use(self, work, **options)

TokenSession.use = hang
main()
"""


class Hanging(Live):
    program = ("-c", HANGS)

    def ask(self, path: Any, form: Any = None) -> Any:
        """Status and members."""
        try:
            with urllib.request.urlopen(self.url + path, form, timeout=LONG) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def hanging(softhsm: Path, tmp_path: Path) -> Iterator[Any]:
    server = Hanging(tmp_path, **new_token("hangs").settings)
    server.set_up()
    with started(server):
        yield server


def test_while_an_hsm_hangs_everything_else_works_and_the_server_can_end(hanging: Any) -> None:
    created = hanging.command(
        "client", "create", "P", "--grant", "client_credentials", "--auth-method", "client_secret_post"
    )
    form = f"grant_type=client_credentials&client_id={created['client_id']}&client_secret={created['client_secret']}"
    assert hanging.ask("/token", form.encode())[0] == 200
    (hanging.folder / "hang").touch()
    assert hanging.ask("/token", form.encode())[0] == 503
    assert hanging.ask("/health/live")[0] == 200
    assert len(hanging.ask("/.well-known/jwks.json")[1]["keys"]) == 2
    until = time.monotonic() + LONG
    while (answer := hanging.ask("/health/ready"))[0] == 200:  # for two seconds it goes by what it heard before
        assert time.monotonic() < until
        time.sleep(0.05)
    assert answer == (503, {"status": "unavailable", "down": ["key_service"]})
    hanging.stop()


def test_a_revocation_is_done_though_the_hsm_is_not_named(with_hsm: Token, cli: Callable[..., Result]) -> None:
    def states() -> dict[str, str]:
        return {key["kid"]: key["state"] for key in json.loads(cli("keys", "list", "--json").stdout)}

    (pending,) = [kid for kid, state in states().items() if state == "pending"]
    cli("keys", "revoke", pending, "--yes")
    assert states()[pending] == "revoked"


def test_without_a_pin_none_is_tried(softhsm: Path, tmp_path: Path) -> None:
    token = new_token("no pin")
    without = {name: value for name, value in token.settings.items() if name != "PKCS11_PIN"}
    refused = run("init", folder=tmp_path, check=False, settings=without)
    assert refused.returncode == 78 and "AUTHSERVER_PKCS11_PIN_FILE=" in refused.stderr


def test_what_an_hsm_cannot_do_is_not_blamed_on_the_database(with_hsm: Token, tmp_path: Path) -> None:
    with (tmp_path / "nothing.py").open("w") as file:
        file.write("from pkcs11 import Session\nfrom pkcs11.exceptions import DeviceError\n")
        file.write("def fail(*_, **__):\n    raise DeviceError\n")
        file.write("from authserver.keyring import pkcs11\npkcs11._generate = fail\n")
        file.write("from authserver.cli import main\nmain(['keys', 'rotate', '--emergency'])\n")
    failed = subprocess.run(
        [sys.executable, "nothing.py"],
        cwd=tmp_path,
        env=environment_with(with_hsm.settings),
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert failed.returncode == 69
    assert "token 'initialised' failed: DeviceError" in failed.stderr and "config show" not in failed.stderr

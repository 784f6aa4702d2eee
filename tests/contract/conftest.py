"""The contract is held against the server of web/'s tests, with everything that settings turn on, and against a process
of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.clock import Clock
from tests.web.conftest import brisk, database, settings, template
from tests.web.mailing import mailing_to
from tests.web.serving import LocalServer, serving

__all__ = ["brisk", "database", "settings", "template"]


@pytest.fixture(scope="module")
def shared(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server for a module whose tests do not get into each other's way."""
    folder = tmp_path_factory.mktemp("shared")
    with serving(template, folder, Clock(), sign_up="on", **mailing_to(folder / "mails")) as server:
        yield server

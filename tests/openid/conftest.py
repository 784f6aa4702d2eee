"""The suite is named by the sections of the specifications that it holds the server to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.openid.provider import Provider, provider
from tests.web.conftest import begins_again, brisk, database, settings, template

__all__ = ["begins_again", "brisk", "database", "settings", "template"]


@pytest.fixture(scope="module")
def op(template: Path, tmp_path_factory: pytest.TempPathFactory, password_hash: str) -> Iterator[Provider]:
    """An OpenID provider for a module whose tests do not get into each other's way."""
    with provider(template, tmp_path_factory.mktemp("op"), password_hash) as op:
        yield op

"""A full queue is 503 with Retry-After, and changes nothing. For the password queue see test_password_grant.py, for the
database's inbox tests/store/test_batching.py; this is the queue of signatures by keys outside the process."""

from collections.abc import Callable
from typing import Any

import pytest

from authserver.keyring import Keyring
from authserver.pool import Pool
from authserver.store.database import Database
from tests.web.answers import UNAVAILABLE, assert_granted, assert_refused
from tests.web.serving import everything


def test_a_full_queue_of_the_key_service_is_503_and_changes_nothing(
    login: Callable[..., Any], refresh: Callable[..., Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = login()["refresh_token"]
    before = everything(database)
    with monkeypatch.context() as full:
        full.setattr(Keyring, "is_remote", lambda self, alg: True)
        full.setattr(Pool, "_submit", lambda self, task, preferred: self._reject(task))
        refused = refresh(first)
    assert_refused(refused, UNAVAILABLE)
    assert refused.headers["retry-after"] == "2"
    assert everything(database) == before
    assert_granted(refresh(first))

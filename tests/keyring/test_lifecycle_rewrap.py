"""A key-encryption key that changes while another command is on its way: nothing is wrapped by one that may be gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.domain.errors import ChangedMeanwhile
from authserver.keyring import Keyring, files
from authserver.keyring.lifecycle import Lifecycle
from authserver.provisioning import open_key_store
from authserver.settings import Settings
from tests.harness.clock import Clock

DAY = 86400


@pytest.fixture
def rewrapped_meanwhile(
    lifecycle: Lifecycle, settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another process, before the next command gets the lock; the old file is removed at once."""
    exclusive, waiting = Lifecycle.exclusive, [True]

    @contextmanager
    def late(self: Any, *arguments: Any) -> Iterator[Any]:
        if waiting and waiting.pop():
            (old,) = settings.keys_dir.glob("*.key")
            clock.forward(5)
            files.create(settings.keys_dir, b"k" * 32, clock())
            lifecycle.rewrap()
            old.unlink()
        with exclusive(self, *arguments) as held:
            yield held

    monkeypatch.setattr(Lifecycle, "exclusive", late)


COMMANDS = {
    "promote": lambda lifecycle: lifecycle.promote("RS256", emergency=True),
    "run_due": lambda lifecycle: lifecycle.run_due(),
    "revoke": lambda lifecycle: lifecycle.revoke(lifecycle.read()[0].kid),
    "revoke_all": lambda lifecycle: lifecycle.revoke_all(),
    "import_key": lambda lifecycle: lifecycle.import_key(RSAKey.generate_key(2048)),
    "rotate_refresh_keys": lambda lifecycle: lifecycle.rotate_refresh_keys(),
    "revoke_refresh_keys": lambda lifecycle: lifecycle.revoke_refresh_keys(),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_wrapped_before_a_rewrap_is_not_written_after_it(
    lifecycle: Lifecycle, rewrapped_meanwhile: Any, settings: Settings, clock: Clock, command: Any
) -> None:
    clock.forward(91 * DAY)
    with pytest.raises(ChangedMeanwhile, match="key-encryption key was changed by another command"):
        COMMANDS[command](lifecycle)
    Keyring(open_key_store(settings), lifecycle.read_state(), clock())  # a server starts
    COMMANDS[command](lifecycle)
    Keyring(open_key_store(settings), lifecycle.read_state(), clock())


def test_a_change_that_wraps_nothing_succeeds_in_spite_of_a_rewrap(
    lifecycle: Lifecycle, rewrapped_meanwhile: Any, settings: Settings, clock: Clock
) -> None:
    ran: list[Any] = []
    assert lifecycle.change_clients({"RS256"}, ran.append) == () and len(ran) == 1
    Keyring(open_key_store(settings), lifecycle.read_state(), clock())

"""Changes of the keys' state in a database: one transaction each, guarded, whoever else wants the same."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from unittest.mock import patch

import pytest
from joserfc.jwk import RSAKey

from authserver.cli.keys.shared import opened
from authserver.domain.errors import ChangedMeanwhile, Misconfigured, Refused, Unavailable
from authserver.domain.key_schedule import in_state
from authserver.domain.models import Client
from authserver.keyring import KeyEncryptionKeys, Keyring, KeyStore
from authserver.keyring.lifecycle import Lifecycle, TooEarly
from authserver.provisioning import initialise, open_database, open_key_store
from authserver.provisioning import lifecycle as lifecycle_of
from authserver.settings import Settings, load
from authserver.store import clients, signing_keys
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import LONG, SECOND
from tests.harness.existing import existing
from tests.store.conftest import migrated_database, migrated_file, postgres, postgres_url, sqlite_url, url

__all__ = ["migrated_database", "migrated_file", "postgres", "postgres_url", "sqlite_url", "url"]
DAY = 86400


@pytest.fixture
def on_any_database(settings: Settings, url: str, clock: Clock) -> Iterator[Any]:
    """The same lifecycle, on SQLite and on PostgreSQL."""
    settings = settings.model_copy(update={"database_url": type(settings.database_url)(url)})
    database = open_database(settings, clock)
    initialise(settings, database, clock)
    yield lifecycle_of(settings, database, clock)
    database.close()


def kid_of(lifecycle: Any, state: Any) -> Any:
    key = in_state(lifecycle.read(), "RS256", state)
    return key.kid if key else None


def states(lifecycle: Any) -> Any:
    return sorted(key.state for key in lifecycle.read())


def test_a_promotion_before_the_lead_time_is_refused_and_says_when(lifecycle: Lifecycle, clock: Clock) -> None:
    clock.forward(DAY + 29)
    with pytest.raises(TooEarly) as refused:
        lifecycle.promote("RS256")
    assert refused.value.possible_at == clock() + SECOND
    assert states(lifecycle) == ["active", "pending"]
    clock.forward(1)
    assert lifecycle.promote("RS256").change == "promote"


def test_a_promotion_retires_activates_and_publishes_in_one(on_any_database: Any, clock: Clock) -> None:
    active, pending = kid_of(on_any_database, "active"), kid_of(on_any_database, "pending")
    clock.forward(2 * DAY)
    on_any_database.promote("RS256")
    assert (kid_of(on_any_database, "active"), kid_of(on_any_database, "retired")) == (pending, active)
    new = existing(in_state(on_any_database.read(), "RS256", "pending"))
    assert new.kid not in (active, pending)
    assert new.created_at == clock()
    with pytest.raises(TooEarly):
        on_any_database.promote("RS256")


def test_what_is_promoted_opens_and_signs(lifecycle: Lifecycle, settings: Settings, clock: Clock) -> None:
    lifecycle.promote("RS256", emergency=True)
    with lifecycle.database.begin() as connection:
        keyring = Keyring(open_key_store(settings), signing_keys.load(connection), clock())
    assert keyring.verify(keyring.sign({"sub": "ada"}, clock())) == {"sub": "ada"}
    assert [key["kid"] for key in keyring.jwks["keys"]][0] == kid_of(lifecycle, "active")
    assert len(keyring.jwks["keys"]) == 3


def test_a_year_of_routine_in_steps_of_a_minute_around_each_change(on_any_database: Any, clock: Clock) -> None:
    clock.forward(90 * DAY)
    assert [step.change for step in on_any_database.run_due()] == ["promote"]
    clock.forward(89)
    assert on_any_database.run_due() == []
    clock.forward(1)
    assert [step.change for step in on_any_database.run_due()] == ["destroy"]
    clock.forward(900 + 300 + 300 + 30 - 91)
    assert on_any_database.run_due() == []
    clock.forward(1)
    assert [step.change for step in on_any_database.run_due()] == ["remove"]
    gone = existing(in_state(on_any_database.read(), "RS256", "removed"))
    assert (gone.wrapped, gone.removed_at, existing(gone.destroyed_at) < clock()) == (None, clock(), True)
    assert gone.public["kid"] == gone.kid


def test_many_at_once_do_each_thing_once(on_any_database: Any, clock: Clock) -> None:
    """Threads with connections of their own; on PostgreSQL they are nodes, too."""
    clock.forward(90 * DAY)
    with ThreadPoolExecutor(6) as threads:
        done = [step for steps in threads.map(lambda _: on_any_database.run_due(), range(6)) for step in steps]
    assert [step.change for step in done] == ["promote"]
    assert states(on_any_database) == ["active", "pending", "retired"]


def test_two_emergencies_at_once_are_one(on_any_database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second must not promote the key that the first one published a moment ago."""
    together, make = Barrier(2, timeout=LONG), KeyStore.generate

    def make_together(*arguments: Any, **options: Any) -> Any:
        together.wait()  # both have seen the pending key, neither has begun its transaction
        return make(*arguments, **options)

    def promote(_: int) -> str:
        try:
            return str(on_any_database.promote("RS256", emergency=True).change)
        except Refused as error:
            return str(error)

    monkeypatch.setattr(KeyStore, "generate", make_together)
    pending = kid_of(on_any_database, "pending")
    with ThreadPoolExecutor(2) as threads:
        outcomes = sorted(threads.map(promote, range(2)))
    assert "promoted the key" in outcomes[0]
    assert outcomes[1] == "promote"
    assert kid_of(on_any_database, "active") == pending


def test_keys_that_others_could_not_open_are_never_made(lifecycle: Lifecycle, clock: Clock) -> None:
    clock.forward(91 * DAY)
    foreign = replace(lifecycle, open_key_store=lambda: KeyStore(KeyEncryptionKeys({"elsewhere": bytes(32)})))
    with pytest.raises(Misconfigured, match="tried: elsewhere"):
        foreign.run_due()
    assert states(lifecycle) == ["active", "pending"]


def test_a_row_that_changes_beside_the_lock_stops_the_transition(
    lifecycle: Lifecycle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.forward(91 * DAY)
    monkeypatch.setattr(signing_keys, "change", lambda *_: False)
    with pytest.raises(ChangedMeanwhile, match="nothing was written"):
        lifecycle.run_due()
    assert states(lifecycle) == ["active", "pending"]


def test_without_a_pending_key_promote_says_what_to_do_and_due_makes_one(lifecycle: Lifecycle) -> None:
    with lifecycle.database.begin() as connection:
        connection.exec_driver_sql("DELETE FROM signing_keys WHERE state = 'pending'")
    with pytest.raises(Refused, match="rotate --due"):
        lifecycle.promote("RS256")
    assert [step.change for step in lifecycle.run_due()] == ["publish"]
    assert states(lifecycle) == ["active", "pending"]


@pytest.mark.parametrize(("column", "seconds"), [("removed", 900 + 330), ("destroyed", 90)])
def test_the_database_itself_refuses_what_is_too_early(
    on_any_database: Any, clock: Clock, column: str, seconds: int
) -> None:
    """By hand, past every statement of ours."""
    on_any_database.promote("RS256", emergency=True)
    state = "removed" if column == "removed" else "retired"
    by_hand = f"UPDATE signing_keys SET state = '{state}', {column}_at = {{at}} WHERE state = 'retired'"
    early = clock() + seconds * SECOND - 1
    with pytest.raises(Unavailable, match=f"ck_signing_keys_{column}_in_time"):
        execute(on_any_database.database, by_hand.format(at=early))
    execute(on_any_database.database, by_hand.format(at=early + 1))


@pytest.mark.parametrize("column", ["removed", "destroyed"])
def test_the_guard_of_the_statement_reads_the_lifetime_that_the_row_has_by_then(
    on_any_database: Any, clock: Clock, column: str
) -> None:
    on_any_database.promote("RS256", emergency=True)
    with on_any_database.database.begin() as connection:
        seen = existing(in_state(signing_keys.load(connection).signing_keys, "RS256", "retired"))
        connection.exec_driver_sql(f"UPDATE signing_keys SET max_token_ttl = 86400 WHERE kid = '{seen.kid}'")
        too_early = clock() + (1400 if column == "removed" else 80) * SECOND
        changes: dict[str, Any] = {"wrapped": None, f"{column}_at": too_early}
        new = replace(seen, **changes | ({"state": "removed"} if column == "removed" else {}))
        assert not signing_keys.change(connection, seen, new)


def execute(database: Database, statement: str) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(statement)


def test_nothing_is_due_after_it_was_done(lifecycle: Lifecycle, clock: Clock) -> None:
    for _ in range(30):
        clock.forward(20 * DAY)
        lifecycle.run_due()
        assert not lifecycle.is_due(lifecycle.read_state())


def test_what_operators_do_works_on_any_database(on_any_database: Any, clock: Clock) -> None:
    lifecycle = on_any_database
    lifecycle.import_key(RSAKey.generate_key(2048))
    lifecycle.revoke(kid_of(lifecycle, "pending"))
    clock.forward(1)
    lifecycle.rotate_refresh_keys()
    assert lifecycle.revoke_refresh_keys() == 0
    assert lifecycle.run_due() == []
    lifecycle.revoke_all()
    clock.forward(2 * 3600)
    assert len(lifecycle.remove_unused_refresh_keys()) == 3
    assert lifecycle.rewrap() == 0
    assert states(lifecycle) == ["active", "pending", "removed", "revoked", "revoked", "revoked"]


def test_a_process_forgets_a_private_part_that_was_destroyed(
    lifecycle: Lifecycle, settings: Settings, clock: Clock
) -> None:
    lifecycle.promote("RS256", emergency=True)
    keyring = Keyring(open_key_store(settings), lifecycle.read_state(), clock())
    clock.forward(90)
    assert [step.change for step in lifecycle.run_due()] == ["destroy"]
    keyring.update(lifecycle.read_state(), clock())
    kept = {kid: those._signer is not None for (kid, _), those in keyring._tokens.items()}
    assert kept == {key.kid: key.state != "retired" for key in lifecycle.read()}


def test_a_process_that_sees_no_active_key_signs_nothing(
    lifecycle: Lifecycle, settings: Settings, clock: Clock
) -> None:
    state = lifecycle.read_state()
    pending = tuple(key for key in state.signing_keys if key.state == "pending")
    keyring = Keyring(open_key_store(settings), replace(state, signing_keys=pending), clock())
    with pytest.raises(Unavailable, match="No key signs RS256"):
        keyring.sign({}, clock())


@pytest.mark.parametrize("what", [{"state": "active"}, {"wrapped": "by another key"}])
def test_a_row_that_is_not_as_it_was_seen_is_not_written(lifecycle: Lifecycle, what: Any) -> None:
    """Two that saw the same, past the lock: the second finds nothing."""
    seen = existing(in_state(lifecycle.read(), "RS256", "pending"))
    with lifecycle.database.begin() as connection:
        assert not signing_keys.change(connection, replace(seen, **what), replace(seen, state="revoked", wrapped=None))
    assert in_state(lifecycle.read(), "RS256", "pending") == seen


def test_a_command_keeps_to_the_clock_of_the_database_where_there_is_one(
    on_any_database: Any, url: str, tmp_path: Path
) -> None:
    """Nodes whose clocks differ agree on when a key was published."""
    settings = load(database_url=url, keys_dir=str(tmp_path / "keys"))
    with patch("authserver.system.now", lambda: 1_000_000 * SECOND), opened(settings) as lifecycle:
        wrong = lifecycle.now() < 2_000_000 * SECOND
    assert wrong is url.startswith("sqlite")


def test_two_commands_on_one_client_at_once_are_both_done(on_any_database: Any) -> None:
    """One reads the row and waits; the other changes it meanwhile, or waits for the first."""
    database, disabled, loaded = on_any_database.database, Barrier(2, timeout=LONG), Event()
    with database.begin() as connection:
        clients.add(connection, Client("both", "Both", "none", frozenset(), ()))

    def disable() -> None:
        with database.begin() as connection:
            client = existing(clients.load_to_change(connection, "both"))
            disabled.wait()
            loaded.wait(0.5)  # as long as it may be wrong; where it is right the other one waits for this one
            clients.put(connection, replace(client, disabled=True))

    def change(connection: Any) -> None:
        client = existing(clients.load_to_change(connection, "both"))
        loaded.set()
        clients.put(connection, replace(client, access_token_alg="ES256"))

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(disable)
        disabled.wait()
        on_any_database.change_clients({"ES256"}, change)
        done.result()
    with database.begin() as connection:
        both = existing(clients.load(connection, "both"))
    assert (both.disabled, both.access_token_alg) == (True, "ES256")

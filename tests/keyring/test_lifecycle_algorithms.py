"""The algorithms that clients use and their keys: one algorithm is never another one's trouble."""

from dataclasses import replace
from typing import Any

import pytest

from authserver.domain.errors import Unavailable
from authserver.domain.key_schedule import Transition, algorithms_in_use, in_state
from authserver.keyring import KeyStore
from authserver.keyring.lifecycle import Lifecycle
from authserver.store import signing_keys
from tests.harness.clock import Clock
from tests.web.serving import change_client

DAY = 86400


@pytest.mark.parametrize(("failing", "other"), [("EdDSA", "ES256"), ("ES256", "EdDSA")])
def test_an_algorithm_that_gets_no_key_holds_up_no_other(
    lifecycle: Lifecycle, clock: Clock, monkeypatch: pytest.MonkeyPatch, failing: str, other: str
) -> None:
    for client_id, alg in {"app": failing, "web": failing, "other": other}.items():
        change_client(lifecycle.database, client_id, access_token_alg=alg)
    assert lifecycle.is_due(lifecycle.read_state())
    generate = KeyStore.generate

    def refuse(self: Any, alg: Any, **times: Any) -> Any:
        if alg == failing:
            raise Unavailable(f"This HSM knows no {failing}.")
        return generate(self, alg, **times)

    monkeypatch.setattr(KeyStore, "generate", refuse)
    clock.forward(91 * DAY)
    told: list[Any] = []
    with pytest.raises(Unavailable, match=f"no {failing}"):
        lifecycle.run_due(told.append)
    assert in_state(lifecycle.read(), "RS256", "retired")  # RS256 went on
    assert {(step.change, step.alg) for step in told} == {("promote", "RS256"), ("publish", other)}
    monkeypatch.setattr(KeyStore, "generate", generate)
    assert algorithms_in_use(lifecycle.read()) == {"RS256", other}
    assert lifecycle.run_due() == [Transition("publish", failing)] and not lifecycle.is_due(lifecycle.read_state())


def test_an_algorithm_of_a_later_version_is_left_to_that_one(lifecycle: Lifecycle, clock: Clock) -> None:
    change_client(lifecycle.database, "web", access_token_alg="ES512")
    theirs = lifecycle.open_key_store().generate("ES256", now=clock(), max_token_ttl=900)
    with lifecycle.database.begin() as connection:
        signing_keys.add(connection, replace(theirs, alg="ES256K"))
    assert not lifecycle.is_due(lifecycle.read_state())
    clock.forward(91 * DAY)
    assert [(step.change, step.alg) for step in lifecycle.run_due()] == [("promote", "RS256")]
    assert algorithms_in_use(lifecycle.change_clients({"RS256"}, lambda connection: None)) == set()
    assert algorithms_in_use(lifecycle.read()) == {"RS256", "ES256K"}


def test_a_command_for_one_algorithm_is_not_held_up_by_another(lifecycle: Lifecycle) -> None:
    change_client(lifecycle.database, "web", access_token_alg="EdDSA")

    def use(connection: Any) -> None:
        connection.exec_driver_sql("UPDATE clients SET access_token_alg = 'ES256' WHERE id = 'app'")

    assert algorithms_in_use(lifecycle.change_clients({"ES256"}, use)) == {"ES256"}
    assert lifecycle.run_due() == [Transition("publish", "EdDSA")]

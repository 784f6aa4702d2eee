"""authserver client rotate-secret never cuts off a secret in use by itself."""

import shlex
from collections.abc import Callable
from typing import Any

from click.testing import Result

from authserver.provisioning import open_database
from authserver.settings import load
from authserver.store import clients
from tests.harness.existing import existing


def hashes(client_id: Any) -> Any:
    database = open_database(load())
    with database.begin() as connection:
        client = existing(clients.load(connection, client_id))
    database.close()
    return [secret.hash for secret in client.secrets]


def test_a_second_rotation_is_refused_and_says_what_to_type(
    cli: Callable[..., Result], data: Callable[..., Any]
) -> None:
    id = data("client", "create", "Machine", "--grant", "client_credentials")["client_id"]
    first = hashes(id)
    data("client", "rotate-secret", id)
    both = hashes(id)
    assert both[1:] == first
    refused = cli("client", "rotate-secret", id, code=3)
    assert refused.stdout == "" and hashes(id) == both
    old_ends_at = data("client", "show", id)["secrets_end_at"][1]
    assert f"{id} has two valid secrets: the old one until {old_ends_at}, the new one without an end." in refused.stderr
    typed = [shlex.split(line)[1:] for line in refused.stderr.splitlines() if line.startswith("    authserver ")]
    assert [line[-1] for line in typed] == ["old", "new"]
    told = cli(*typed[0])
    assert hashes(id)[1:] == both[:1]
    assert f"The old secret is valid until {data('client', 'show', id)['secrets_end_at'][1]}." in told.stderr
    kept = hashes(id)[1:]
    cli(*typed[1])
    assert hashes(id)[1:] == kept


def test_after_the_old_one_has_ended_it_rotates_again(data: Callable[..., Any]) -> None:
    id = data("client", "create", "Machine", "--grant", "client_credentials")["client_id"]
    data("client", "rotate-secret", id, "--grace", "0")
    data("client", "rotate-secret", id)
    assert len(hashes(id)) == 2

"""Shows that expired data is deleted: after 100,000 sign-ins and sign-outs, the database is as large as after 1,000.

A person signs in with a browser and consents. The client redeems the code and refreshes once. Then the person signs
out, and the client gets a logout token. The clock is set forward each time, so that the first 1,000 visits take two
weeks: longer than anything is kept, the audit trail included, which is kept for a week here. The other visits must add
nothing.

    .venv/bin/python scripts/bench/proofs/pruned.py                 100,000 times on SQLite, a few hours
    .venv/bin/python scripts/bench/proofs/pruned.py --visits 5000
    .venv/bin/python scripts/bench/proofs/pruned.py --naive --visits 2000     deletes nothing: this must be found
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from sqlalchemy import func, select, text
from starlette.testclient import TestClient

from authserver import passwords
from authserver.app import Assembly, assemble
from authserver.domain.models import Client
from authserver.passwords import PasswordHasher
from authserver.store import clients
from authserver.store.database import Database
from authserver.store.schema import metadata
from tests.harness.browser import CALLBACK, VERIFIER, Browser
from tests.harness.clock import Clock
from tests.harness.constants import AUDIENCE, ISSUER, PASSWORD
from tests.harness.existing import existing
from tests.harness.receiver import Receiver, receiving
from tests.harness.sample_database import populated, settings_in

_DAY = 86400
_PERIOD = 14 * _DAY
"""Seconds that the first visits take: longer than anything is kept."""
_TOLERANCE = 1.1, 5
"""How many more rows or pages there may be: a factor, and a number that is added."""
_KEPT = "signing_keys"
"""A table that grows by one row for each rotation, however many visits there are: the public part of a removed key is
kept, because an old ID token that it signed may still be sent as `id_token_hint`."""
_CHEAP = (1, 16)  # the cost of hashing does not matter here
Sizes = Mapping[str, int]


class Visits:
    """A server in this process, and a person who visits its client again and again."""

    def __init__(self, http: TestClient, server: Assembly, database: Database, clock: Clock, told: Receiver) -> None:
        self._http, self._server, self._database, self._clock = http, server, database, clock
        self._told, self._browser = told, Browser(http)

    def make(self, many: int, seconds: float, *, prunes: bool) -> None:
        """Sign in and out `many` times, with this many seconds between two visits."""
        tasks = self._server.tasks
        for _ in range(many):
            self._clock.forward(seconds)
            self._run(tasks.rotate_keys, tasks.read_keys, *([tasks.prune] if prunes else []))
            self._sign_in_and_out()
            self._run(tasks.deliver_outbox, tasks.outbox.finish)

    def sizes(self) -> Sizes:
        """Return how many rows each table has, and how many pages the file has."""
        with self._database.read() as connection:
            counts = {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }
            return counts | {"pages of the file": connection.execute(text("PRAGMA page_count")).scalar_one()}

    @property
    def told(self) -> int:
        """How many logout tokens the client received."""
        return len(self._told.received)

    def _sign_in_and_out(self) -> None:
        self._http.cookies.clear()
        code = self._browser.code(scope="openid offline_access read")
        form = {"grant_type": "authorization_code", "client_id": "sso", "code": code, "redirect_uri": CALLBACK}
        tokens = self._token(form | {"code_verifier": VERIFIER})
        self._token({"grant_type": "refresh_token", "client_id": "sso", "refresh_token": tokens["refresh_token"]})
        page = self._browser.get(f"/logout?{urlencode({'id_token_hint': tokens['id_token']})}")
        assert 'id="signed-out"' in page.text, page.text

    def _token(self, form: Mapping[str, str]) -> dict[str, Any]:
        response = self._http.post("/token", data=form)
        assert response.status_code == 200, response.text
        tokens: dict[str, Any] = response.json()
        return tokens

    def _run(self, *works: Any) -> None:
        for work in works:
            existing(self._http.portal).call(work)


@contextmanager
def visits(folder: Path) -> Iterator[Visits]:
    """Yield visits to a server whose database is in this folder."""
    settings = settings_in(folder, audit_retention=7 * _DAY, fetch_allow="127.0.0.1", interaction_limit=0)
    clock, hasher = Clock(), PasswordHasher()
    database = populated(settings, clock, hasher.hash(PASSWORD))
    hasher.close()
    with receiving() as told:
        with database.begin() as connection:
            clients.add(connection, relying_party(f"http://127.0.0.1:{told.port}/logout"))
        server = assemble(settings, now=clock, enable=())
        server.tasks.pause = no_pause
        with TestClient(server.app, ISSUER) as http:
            yield Visits(http, server, database, clock, told)
    database.close()


def relying_party(logout_uri: str) -> Client:
    return Client(
        id="sso",
        name="App",
        auth_method="none",
        grant_types=frozenset({"authorization_code", "refresh_token"}),
        scope=("openid", "offline_access", "read"),
        audiences=(AUDIENCE,),
        redirect_uris=(CALLBACK,),
        backchannel_logout_uri=logout_uri,
    )


async def no_pause(_seconds: float) -> None: ...


def grown(before: Sizes, after: Sizes) -> list[str]:
    """Return what has become larger than is tolerated."""
    factor, more = _TOLERANCE
    larger = {name for name, size in after.items() if size > before[name] * factor + more} - {_KEPT}
    return [f"{name}: {before[name]} -> {after[name]}" for name in sorted(larger)]


def prove(folder: Path, first: int, total: int, *, prunes: bool) -> list[str]:
    """Return what is larger after `total` visits than after the `first`."""
    with visits(folder) as visiting:
        visiting.make(first, _PERIOD / first, prunes=prunes)
        before = visiting.sizes()
        visiting.make(total - first, _PERIOD / first, prunes=prunes)
        after = visiting.sizes()
        for name, size in after.items():
            print(f"{name:<20}{before[name]:>10}{size:>10}", flush=True)
        print(f"{visiting.told} logout tokens were received", flush=True)
    return grown(before, after)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=100_000, help="sign-ins and sign-outs (default 100,000)")
    parser.add_argument("--first", type=int, default=1000, help="visits before the first measurement (default 1,000)")
    parser.add_argument("--naive", action="store_true", help="delete nothing; exit code 1 if that is not found")
    return parser.parse_args(arguments)


def main() -> int:
    asked = parse()
    passwords.COST = _CHEAP
    with tempfile.TemporaryDirectory() as folder:
        larger = prove(Path(folder), asked.first, asked.visits, prunes=not asked.naive)
    if asked.naive:
        print("seen" if larger else "NOT SEEN: this proof is blind")
        return 0 if larger else 1
    print("\n".join(["LARGER", *larger]) if larger else "as large as before")
    return 1 if larger else 0


if __name__ == "__main__":
    sys.exit(main())

"""The real pipeline, store and keyring on two nodes over one SQLite file, in this process: the clock is moved by hand,
and every password is right."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from sqlalchemy import delete, insert, update
from sqlalchemy.exc import OperationalError

from authserver import clock as system_clock
from authserver import system
from authserver.domain.attempts import AttemptLimits
from authserver.domain.errors import Unavailable
from authserver.domain.models import Client, Policy, RefreshTokenKey, User
from authserver.domain.network_limit import NetworkLimit
from authserver.domain.outages import Outages
from authserver.keyring import KeyEncryptionKeys, Keyring, KeyStore
from authserver.keyring.lifecycle import bootstrap
from authserver.oauth.registry import GrantRegistry
from authserver.oauth.request import parse
from authserver.oauth.revocation import Revocation
from authserver.passwords import PasswordCheck
from authserver.pipeline.audit import RepeatableEvents
from authserver.pipeline.errors import Refusal
from authserver.pipeline.handler import Services
from authserver.pipeline.pipeline import Pipeline
from authserver.store import authorizations, clients, migrations, schema, signing_keys, users
from authserver.store.authorizations import AuthorizationRecord
from authserver.store.cache import Cache
from authserver.store.database import Database
from authserver.store.signing_keys import KeyState
from tests.harness.clock import Clock
from tests.pipeline.ledger import Answer, Ask

T = TypeVar("T")
GRANTS = GrantRegistry()
ISSUER = "https://as.example"
HOME, ELSEWHERE = "192.0.2.0/24", "198.51.100.0/24"


class EveryPasswordIsRight:
    """In place of Argon2. `meanwhile` runs while a password is being verified."""

    meanwhile: Callable[[], None] | None = None

    async def match(
        self, password_hash: str | None, password: str | None, network: str, *, is_known: bool, renew: bool
    ) -> PasswordCheck:
        if self.meanwhile:
            self.meanwhile()
        return PasswordCheck(password_hash is not None)


class Node:
    """One process of the server."""

    def __init__(
        self, database: Database, keks: KeyEncryptionKeys, keys: KeyState, passwords: Any, clock: Clock
    ) -> None:
        self.database, self.keys, self.clock = database, keys, clock
        self.keyring = Keyring(KeyStore(keks), keys, clock())
        make = (system.new_id, system.new_key, system.new_secret)
        limits, wrong_secrets = AttemptLimits(None, None), NetworkLimit(None)
        services = Services(ISSUER, Policy(), limits, wrong_secrets, self.keyring, passwords, *make)
        cache = Cache(database, clients.load_many, clock)
        self.pipeline = Pipeline(
            database,
            cache,
            services,
            self.reload_keys,
            _sign_in_worker,
            clock=system_clock.Clock(clock, clock),
            follow_clock=self.follow_clock,
            repeatable=RepeatableEvents(database),
        )

    def begin_anew(self, keys: KeyState) -> None:
        self.keys, self.database.outages = keys, Outages()
        self.poll()
        self.forget_clients()

    def poll(self) -> None:
        """The keys that were known were read again just now."""
        self.keyring.update(self.keys, self.clock())

    def forget_clients(self) -> None:
        """As if the seconds had passed for which a client's row may be old."""
        self.pipeline.clients = Cache(self.database, clients.load_many, self.clock)

    async def follow_clock(self) -> None:
        """There is no other than the test's."""

    async def reload_keys(self) -> None:
        keys = await self.database.load(signing_keys.load_many, None)
        assert keys is not None
        self.keys = keys
        self.poll()


class World:
    def __init__(self, folder: Path) -> None:
        self.clock, self.passwords, self.runner = Clock(), EveryPasswordIsRight(), asyncio.Runner()
        self.databases = [Database(f"sqlite:///{folder}/as.db", self.clock) for _ in range(2)]
        self.keks = KeyEncryptionKeys({"the tests": system.new_key()})
        with self.databases[0].begin() as connection:
            migrations.upgrade(connection)
            bootstrap.create_missing(
                connection, KeyStore(self.keks), now=self.clock(), max_token_ttl=900, new_key=system.new_key
            )
            self.first_keys = signing_keys.load(connection)
        self.reader = sqlite3.connect(f"{folder}/as.db", isolation_level=None)
        self.reader.row_factory = sqlite3.Row
        self.nodes = [
            Node(database, self.keks, self.first_keys, self.passwords, self.clock) for database in self.databases
        ]

    def close(self) -> None:
        self.runner.close()
        self.reader.close()
        for database in self.databases:
            database.close()

    def reset(self, everybody: list[Client], people: list[str]) -> None:
        """A fresh server with these clients and users, whose names are their ids."""
        self.clock.now, self.passwords.meanwhile = Clock().now, None
        with self.databases[0].begin() as connection:
            for table in (schema.authorizations, schema.clients, schema.users, schema.refresh_keys):
                connection.execute(delete(table))
            for refresh_key in self.first_keys.refresh_keys:
                signing_keys.add_refresh_key(connection, refresh_key)
            for client in everybody:
                clients.add(connection, client)
            for name in people:
                users.add(connection, User(name, name, "a hash"))
        for node in self.nodes:
            node.begin_anew(self.first_keys)

    # What callers do.

    def login(self, client: str, user: str, node: int = 0, network: str = HOME) -> Answer:
        form = {"grant_type": "password", "client_id": client, "username": user, "password": "right"}
        return self.wait(self._answer(form, node, self.clock(), network))

    def refresh(self, text: str, client: str, *, network: str = HOME, **more: Any) -> Answer:
        return self.present(self.ask(text, client, **more), network)

    def revoke(self, text: str, client: str) -> Answer:
        return self.present(self.ask(text, client, revokes=True))

    def ask(self, text: str, client: str, *, late: int = 0, **more: Any) -> Ask:
        """A request that arrived `late` microseconds ago."""
        return Ask(text, client, arrived=self.clock() - late, stamped=self.clock(), **more)

    def present(self, ask: Ask, network: str = HOME) -> Answer:
        return self.wait(self._present(ask, network))

    def present_at_once(self, asks: list[Ask]) -> list[Answer]:
        async def gather() -> list[Answer]:
            return await asyncio.gather(*(self._present(ask, HOME) for ask in asks))

        return self.wait(gather())

    async def _present(self, ask: Ask, network: str) -> Answer:
        if ask.revokes:
            form, new_handler = {"client_id": ask.shop, "token": ask.text}, Revocation
        else:
            form = {"grant_type": "refresh_token", "client_id": ask.shop, "refresh_token": ask.text}
            new_handler = GRANTS
        return await self._answer(
            form | ({"scope": ask.words} if ask.words else {}), ask.node, ask.arrived, network, new_handler
        )

    async def _answer(
        self, form: dict[str, str], node: int, arrived: int, network: str, new_handler: Any = GRANTS
    ) -> Answer:
        self.nodes[node].poll()
        request = parse(urlencode(form).encode(), {}, arrived_at=arrived, network=network)
        try:
            reply = await self.nodes[node].pipeline.run(request, new_handler)
        except Unavailable as error:
            return Answer(503, str(error))
        except Refusal as refusal:
            return Answer(refusal.status, refusal.code, None, None, None, None)
        body, access_token = dict(reply.body or {}), reply.tokens.get("access_token")
        claims = self.nodes[node].keyring.verify(access_token) if access_token else None
        refresh_token = getattr(reply, "refresh_token", "") or None  # a revocation has none
        told = (None, refresh_token, body.get("scope"), body.get("expires_in"))
        return Answer(reply.status, *told, claims)

    def load(self, id: bytes, node: int = 0) -> AuthorizationRecord | None:
        return self.wait(self.databases[node].load(authorizations.load_many, id))

    # What operators do, and what befalls them.

    def change_password(self, user: str) -> None:
        with self.databases[0].begin() as connection:
            assert users.set_password(connection, user, "another hash")

    def set_disabled(self, user: str, disabled: bool) -> None:
        with self.databases[0].begin() as connection:
            assert users.set_disabled(connection, user, disabled)

    def change_client(self, client: Client) -> None:
        with self.databases[0].begin() as connection:
            assert clients.put(connection, client)
        for node in self.nodes:
            node.forget_clients()

    def set_end(self, id: str, expires_at: int) -> None:
        table = schema.authorizations
        with self.databases[0].begin() as connection:
            connection.execute(update(table).where(table.c.id == bytes.fromhex(id)).values(expires_at=expires_at))

    def rotate_refresh_key(self, name: str) -> None:
        """A new refresh-token key, which only the first node has read."""
        with self.databases[0].begin() as connection:
            wrapped = self.keks.wrap(name, system.new_key())
            signing_keys.add_refresh_key(connection, RefreshTokenKey(name, wrapped, self.clock(), self.clock()))
        self.wait(self.nodes[0].reload_keys())

    def backup(self) -> list[Any]:
        """All authorizations, read by the side of the server."""
        return [dict(row) for row in self.reader.execute("select * from authorizations order by id")]

    def restore(self, rows: list[Any]) -> None:
        with self.databases[0].begin() as connection:
            connection.execute(delete(schema.authorizations))
            if rows:
                connection.execute(insert(schema.authorizations), rows)

    def cut_off(self, node: int, microseconds: int, *, noticed: bool = True) -> None:
        """The node's database fails, time passes, and (if `noticed`) the node has noticed that it works again."""
        assert isinstance(self.wait(self._load(node, _fail)), Unavailable)
        self.clock.now += microseconds
        if noticed:
            assert self.wait(self._load(node, clients.load_many)) is None

    async def _load(self, node: int, loader: Any) -> Any:
        try:
            return await self.databases[node].load(loader, "nobody")
        except Unavailable as error:
            return error

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)


async def _sign_in_worker(*_: object) -> str:
    raise AssertionError("the keys of these tests are in the database")


def _fail(connection: object, keys: object) -> Any:
    raise OperationalError("select", {}, Exception("the cable is cut"))


def rows(backup: list[Any]) -> dict[str, tuple[int, int, int, int, bool]]:
    """In the form of the ledger's."""
    return {
        row["id"].hex(): (
            row["generation"],
            row["rotated_at"],
            row["idle_expires_at"],
            row["expires_at"],
            row["revoked_at"] is not None,
        )
        for row in backup
    }

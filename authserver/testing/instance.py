"""`Issuer`: what a test may ask of the server that it runs against."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from functools import cache
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

from .. import system
from ..app import lifecycle, open_database
from ..cli.init import initialise
from ..domain import claims as claims_of
from ..domain import scopes
from ..domain.key_schedule import Transition
from ..domain.models import Client, Secret, User
from ..passwords import Passwords, password_form, username_form
from ..resource import Guard
from ..settings import Settings
from ..store import clients, signing_keys, users
from ..store.database import Database
from .clock import Clock
from .server import HOST, Port, Server, memory

_GRANTS = ("password", "refresh_token")
_TIMEOUT = 30  # seconds


class Refusal(Exception):
    """The server refused; `status` and `members` are its answer."""

    def __init__(self, status: int, members: dict[str, Any]) -> None:
        super().__init__(f"{status} {members.get('error')}: {members.get('error_description')}")
        self.status, self.members = status, members


class Issuer:
    """A running authorization server. Whatever is changed here, the server knows when the call returns."""

    def __init__(self, settings: Settings, database: Database, server: Server, clock: Clock) -> None:
        """Made by `running_issuer`."""
        self.url = settings.issuer
        """The `iss` of its tokens, and where it answers."""
        self.audience = f"{self.url}/api"
        """Of tokens and guards for which no other is given."""
        self.clock = clock
        self._settings, self._database, self._server = settings, database, server
        self._lifecycle = lifecycle(settings, database, clock.microseconds)
        self._clients: dict[tuple[str, str], str] = {}

    # Tokens and guards

    def token(
        self,
        sub: str = "user",
        scope: str = "",
        *,
        audience: str | None = None,
        ttl: int | None = None,
        client_id: str = "testing",
        **claims: object,
    ) -> str:
        """An access token as the server issues it, signed by its active key, without a login behind it.

        `ttl` in seconds, the server's unless given; below 0 it has expired already. `claims` are added, or replace
        what would be there; one that is None is left out.
        """
        lives = self._settings.access_token_ttl if ttl is None else ttl
        self._keep_keys_for(lives)
        payload = claims_of.access_token(
            issuer=self.url,
            client=Client(client_id, "", "none", frozenset(), ()),
            scope=scopes.parse(scope),
            audience=(audience or self.audience,),
            now=self.clock.microseconds(),
            ttl=lives,
            jti=system.new_secret(),
            login=None,
        )
        members = payload | {"sub": sub} | claims
        return self._server.sign({name: value for name, value in members.items() if value is not None})

    def guard(self, audience: str | None = None, **options: Any) -> Guard:
        """The guard of an API that trusts this issuer and goes by its clock; `options` are those of Guard."""
        return Guard(self.url, audience or self.audience, **{"now": self.clock} | options)

    # Users, clients, logins

    def user(self, username: str, password: str) -> str:
        """Returns the `sub` of the new user's tokens. Raises ValueError for a name or password that nobody can have."""
        name, text = username_form(username), password_form(password)
        if name is None or text is None:
            raise ValueError("Nobody can have this username or this password (RFC 8265).")
        user = User(f"u_{system.new_id().hex()}", name, _passwords().hash(text), created_at=self.clock.microseconds())
        with self._database.begin() as connection:
            if not users.add(connection, user):
                raise ValueError(f"There is a user {name} already.")
        return user.id

    def client(
        self,
        scope: str = "",
        *,
        grants: tuple[str, ...] = _GRANTS,
        audience: str | None = None,
        secret: str | None = None,
        auth_method: str = "client_secret_basic",
        **policy: int,
    ) -> str:
        """Returns the id of a new client: public, or confidential if it has a `secret`, which `auth_method` presents.

        `policy` are lifetimes of its own in seconds, like access_token_ttl=60.
        """
        hashed = (Secret(sha256(secret.encode()).digest()),) if secret else ()
        client = Client(
            id=f"c_{system.new_id().hex()}",
            name="testing",
            auth_method=auth_method if secret else "none",
            grant_types=frozenset(grants),
            scope=scopes.parse(scope),
            audiences=(audience or self.audience,),
            secrets=hashed,
            created_at=self.clock.microseconds(),
            policy=dict(policy),
        )
        self._keep_keys_for(policy.get("access_token_ttl", 0))
        with self._database.begin() as connection:
            clients.add(connection, client)
        return client.id

    def login(
        self,
        username: str,
        password: str,
        scope: str = "",
        *,
        audience: str | None = None,
        client_id: str | None = None,
    ) -> dict[str, Any]:
        """The server's answer to a login over HTTP, with access_token and refresh_token. Raises Refusal.

        Without `client_id` by a public client that may have that scope and audience.
        """
        wanted = (scope, audience or self.audience)
        if client_id is None and wanted not in self._clients:
            self._clients[wanted] = self.client(scope, audience=audience)
        form = {"client_id": client_id or self._clients[wanted], "username": username, "password": password}
        return self.post("/token", grant_type="password", **form | ({"scope": scope} if scope else {}))

    def post(self, path: str, **form: str) -> dict[str, Any]:
        """The members of the answer to a form, such as post("/revoke", token=..., client_id=...). Raises Refusal."""
        with closing(HTTPConnection(HOST, int(self.url.rpartition(":")[2]), timeout=_TIMEOUT)) as connection:
            connection.request("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            body = answer.read()
        members: dict[str, Any] = json.loads(body) if body else {}
        if answer.status != 200:
            raise Refusal(answer.status, members)
        return members

    # Keys

    def jwks(self) -> dict[str, Any]:
        """The key set as it is published: first what signs, then what is announced, then what is retired."""
        return deepcopy(self._server.jwks)

    @property
    def kid(self) -> str:
        """Of the key that signs."""
        return str(next(key["kid"] for key in self._server.jwks["keys"] if key["alg"] == "RS256"))

    def rotate(self) -> str:
        """The announced key signs from now on, however short it has been published, and the next one is announced.
        Returns its `kid`.

        Verifiers that have fetched the key set know it. Called twice, a key signs that nobody has fetched.
        """
        step = self._lifecycle.promote("RS256", emergency=True)
        self._server.read_keys()
        return str(step.kid)

    def rotate_when_due(self) -> list[Transition]:
        """What the schedule says is due by the clock, as a running server does it. Returns what was done."""
        steps = self._lifecycle.run_due()
        self._server.read_keys()
        return steps

    def revoke_key(self, kid: str | None = None) -> None:
        """Out of the key set at once: the key that signs unless another is named. Raises ValueError."""
        published = [key["kid"] for key in self.jwks()["keys"]]
        if kid is not None and kid not in published:
            raise ValueError(f"There is no published key {kid}; there are: {', '.join(published)}.")
        self._lifecycle.revoke(kid or self.kid)
        self._server.read_keys()

    # Outages

    @contextmanager
    def down(self) -> Iterator[None]:
        """Nobody answers inside of the `with`; then the server comes up again on the same port, with all it knew."""
        self._server.stop()
        try:
            yield
        finally:
            self._server.start()

    def _keep_keys_for(self, ttl: int) -> None:
        """A key stays published for as long as the longest-lived token that it may have signed."""
        if ttl > self._settings.access_token_ttl:
            with self._database.begin() as connection:
                signing_keys.raise_max_token_ttl(connection, ttl)


@contextmanager
def running_issuer(**settings: Any) -> Iterator[Issuer]:
    """An issuer with empty tables and fresh keys. Raises pydantic's ValidationError for settings that are not allowed.

    Several may run at once; each leaves no thread, file or port behind.
    """
    clock = Clock()
    with memory() as url, closing(Port()) as port:
        key = urlsafe_b64encode(system.new_key()).decode()
        fixed: dict[str, Any] = {
            "issuer": f"http://{HOST}:{port.number}",
            "database_url": url,
            "key_encryption_key": key,
        }
        complete = Settings(**settings, **fixed)
        with closing(open_database(complete, clock.microseconds)) as database:
            initialise(complete, database, clock.microseconds)
            server = Server(complete, database, port, clock.microseconds)
            clock.moved = server.read_keys
            try:
                yield Issuer(complete, database, server, clock)
            finally:
                server.stop()


@cache
def _passwords() -> Passwords:
    """With the server's own cost: a cheaper hash would be replaced at the first login."""
    return Passwords()

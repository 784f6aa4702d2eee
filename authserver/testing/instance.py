"""`Issuer`, a running server for tests: tokens, users, clients, logins, keys and outages."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from copy import deepcopy
from functools import cache
from http.client import HTTPConnection
from typing import Any, Unpack
from urllib.parse import urlencode

from .. import system
from ..domain import base64url, claim_rules, scopes, user_rules
from ..domain import claims as claims_of
from ..domain.algorithms import DEFAULT, DEFAULT_TYP
from ..domain.client_kinds import DEVICE_CODE
from ..domain.key_schedule import Transition, in_state
from ..domain.models import Client, SigningKey, User
from ..passwords import PasswordHasher, password_form, username_form
from ..provisioning import initialise, lifecycle, open_database
from ..resource import Guard
from ..settings import Settings
from ..store import clients, session_ends, signing_keys, users
from ..store.database import Database
from ..store.user_claims import EmailInUse
from .browser import Browser
from .clients import SignIn, basic, check_alg, new_client
from .clock import Clock
from .code_flow import CodeFlow
from .errors import ErrorResponse
from .logs import to_logging
from .server import HOST, IssuerServer, Port, memory

_TIMEOUT = 30  # seconds
_FOR_TESTS: dict[str, Any] = {
    # Tests may send as many wrong passwords and secrets as they like.
    **{"account_attempts": 0, "network_attempts": 0, "client_secret_attempts": 0},
    # The clients of tests run on this machine.
    "fetch_allow": "localhost,127.0.0.0/8,::1",
}
_CHOSEN = {"issuer", "database_url", "key_encryption_key"}


class Issuer:
    """A running authorization server. Every change takes effect before the method returns."""

    def __init__(self, settings: Settings, database: Database, server: IssuerServer, clock: Clock) -> None:
        """Use `running_issuer` instead."""
        self.url = settings.issuer
        """The server's URL, and the `iss` of its tokens."""
        self.audience = f"{self.url}/api"
        """The default audience of tokens and guards."""
        self.clock = clock
        self._settings, self._database, self._server = settings, database, server
        self._lifecycle = lifecycle(settings, database, clock.microseconds)
        self._clients: dict[tuple[str, str], str] = {}
        self._secrets: dict[str, tuple[str, str]] = {}
        """The authentication method and the secret of each client, by client id."""
        self._passwords: dict[str, str] = {}

    # Tokens and guards

    def token(
        self,
        sub: str = "user",
        scope: str = "",
        *,
        audience: str | None = None,
        ttl: int | None = None,
        client_id: str = "testing",
        alg: str = DEFAULT,
        typ: str = DEFAULT_TYP,
        **claims: object,
    ) -> str:
        """Return an access token as the server issues it, signed by the active key of `alg`. It needs no login.

        `ttl` is in seconds, by default the server's; a negative one makes an expired token. `claims` add or replace
        claims; None removes one. Raises ValueError if no key signs `alg` yet.
        """
        if alg != DEFAULT:
            self._key(alg, "active")  # else the default would sign in its place
        lifetime = self._settings.access_token_ttl if ttl is None else ttl
        self._keep_keys_for(lifetime)
        payload = claims_of.access_token(
            issuer=self.url,
            client=Client(client_id, "", "none", frozenset(), ()),
            scope=scopes.parse(scope),
            audience=(audience or self.audience,),
            now=self.clock.microseconds(),
            ttl=lifetime,
            jti=system.new_secret(),
            subject=sub,
            authorization=None,
        )
        members = payload | claims
        return self._server.sign({name: value for name, value in members.items() if value is not None}, alg, typ)

    def guard(self, audience: str | None = None, **options: Any) -> Guard:
        """Return a Guard that trusts this issuer and uses its clock. `options` are passed to Guard."""
        return Guard(self.url, audience or self.audience, **{"now": self.clock} | options)

    # Users, clients, logins

    def user(self, username: str, password: str, *, claims: Mapping[str, Any] | None = None) -> str:
        """Create a user and return the `sub` of their tokens. Tokens of a client contain those of the `claims` that its
        `access_token_claims` name. Raises ValueError for an invalid name, password or claim."""
        name = user_rules.check_username(username_form(username))
        text = user_rules.check_password(password_form(password))
        id = user_rules.new_id(system.new_id())
        checked = claim_rules.check(dict(claims or {}))
        user = User(id, name, _passwords().hash(text), created_at=self.clock.microseconds(), claims=checked)
        try:
            with self._database.begin() as connection:
                if not users.add(connection, user):
                    raise ValueError(f"The user {name} already exists.")
        except EmailInUse as error:
            raise ValueError(str(error)) from None
        self._passwords[username] = password
        return user.id

    def client(
        self,
        scope: str = "",
        *,
        grants: Iterable[str] | None = None,
        audience: str | None = None,
        secret: str | None = None,
        auth_method: str = "client_secret_basic",
        access_token_alg: str = DEFAULT,
        access_token_typ: str = DEFAULT_TYP,
        web_origins: Iterable[str] = (),
        access_token_claims: Iterable[str] = (),
        access_token_ttl: int | None = None,
        refresh_retry_window: int | None = None,
        refresh_idle_ttl: int | None = None,
        refresh_absolute_ttl: int | None = None,
        rotation: bool = True,
        **sign_in: Unpack[SignIn],
    ) -> str:
        """Create a client and return its id. It is public, or confidential if it has a `secret`. With `redirect_uris`
        it signs users in; see `sign_in`.

        Lifetimes are in seconds, by default the server's. The first key of `access_token_alg` is published, but RS256
        signs until `rotate(alg=...)`. Raises ValueError for what `authserver client create` rejects.
        """
        client = new_client(
            scope=scope,
            grants=grants,
            audience=audience or self.audience,
            secret=secret,
            auth_method=auth_method,
            access_token_alg=access_token_alg,
            access_token_typ=access_token_typ,
            web_origins=web_origins,
            access_token_claims=access_token_claims,
            lifetimes={
                "access_token_ttl": access_token_ttl,
                "refresh_retry_window": refresh_retry_window,
                "refresh_idle_ttl": refresh_idle_ttl,
                "refresh_absolute_ttl": refresh_absolute_ttl,
            },
            rotation=rotation,
            sign_in=sign_in,
            now=self.clock.microseconds(),
        )
        if secret is not None:
            self._secrets[client.id] = (client.auth_method, secret)
        return self._added(client).id

    def login(
        self,
        username: str,
        password: str,
        scope: str = "",
        *,
        audience: str | None = None,
        client_id: str | None = None,
    ) -> dict[str, Any]:
        """Log in over HTTP and return the response, with access_token and refresh_token. Raises ErrorResponse.

        Without `client_id`, a public client with that scope and audience is created. A client with a secret sends it.
        """
        wanted = (scope, audience or self.audience)
        if client_id is None and wanted not in self._clients:
            self._clients[wanted] = self.client(scope, audience=audience)
        form = {"grant_type": "password", "username": username, "password": password}
        return self._post_as(client_id or self._clients[wanted], form | ({"scope": scope} if scope else {}))

    def sign_in(self, client_id: str, username: str, scope: str = "openid", **parameters: str) -> dict[str, Any]:
        """Sign a user of this issuer in at the client, with consent, and return the token response: the authorization
        code flow over HTTP, in a new browser. `parameters` are for the authorization request, such as
        prompt="consent"; the redirect URI is the client's first. Raises ErrorResponse and SignInFailed."""
        with self._database.begin() as connection:
            client = clients.load(connection, client_id)
        if client is None or not client.redirect_uris:
            raise ValueError(
                f"The client {client_id} has no redirect URI. Create one: issuer.client(redirect_uris=[...])"
            )
        usual = {"scope": scope, "redirect_uri": client.redirect_uris[0]}
        flow = CodeFlow.begin(self.url, client_id, **usual | parameters)
        return self._post_as(client_id, flow.redemption(self.authorize(flow.url, username)))

    def authorize(self, url: str, username: str) -> str:
        """Open an authorization URL, which a client library made, in a new browser, and sign in as a user of this
        issuer, with consent. Returns the URL to which the browser is sent back. Raises SignInFailed."""
        return Browser(self.url).authorize(url, username, self._passwords[username])

    def sign_in_device(self, client_id: str, username: str, scope: str = "openid") -> dict[str, Any]:
        """Sign a user of this issuer in at the client with the device flow (RFC 8628), and return the token response.
        The client needs the grant urn:ietf:params:oauth:grant-type:device_code. Raises ErrorResponse and
        SignInFailed."""
        begun = self._post_as(client_id, {"scope": scope}, "/device_authorization")
        self.allow_device(begun["verification_uri_complete"], username)
        return self._post_as(client_id, {"grant_type": DEVICE_CODE, "device_code": begun["device_code"]})

    def allow_device(self, url: str, username: str) -> None:
        """Open a device's `verification_uri_complete` in a new browser, sign in as a user of this issuer, and allow it.
        The device's next poll gets the tokens. Raises SignInFailed."""
        Browser(self.url).allow_device(url, username, self._passwords[username])

    def sign_out(self, username: str) -> None:
        """End all sessions of a user of this issuer. By the time this returns, a logout token has been posted to each
        of their clients with a `backchannel_logout_uri`, which may be on this machine. Raises ValueError if there is no
        such user."""
        with self._database.begin() as connection:
            user = users.load(connection, username)
            if user is None:
                raise ValueError(f"There is no user {username}. Create one: issuer.user({username!r}, password)")
            session_ends.end_of_user(connection, user.id, now=self.clock.microseconds())
        self._server.deliver_messages()

    def post(self, path: str, *, auth: tuple[str, str] | None = None, **form: str) -> dict[str, Any]:
        """Post a form, such as post("/revoke", token=..., client_id=...), and return the JSON response.

        `auth` is the id and the secret of a client that uses client_secret_basic. Raises ErrorResponse.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | basic(auth)
        with closing(HTTPConnection(HOST, int(self.url.rpartition(":")[2]), timeout=_TIMEOUT)) as connection:
            connection.request("POST", path, urlencode(form), headers)
            answer = connection.getresponse()
            body = answer.read()
        members: dict[str, Any] = json.loads(body) if body else {}
        if answer.status != 200:
            raise ErrorResponse(answer.status, members)
        return members

    def _post_as(self, client_id: str, form: dict[str, str], path: str = "/token") -> dict[str, Any]:
        method, secret = self._secrets.get(client_id, ("none", ""))
        if method != "client_secret_basic":
            form |= {"client_id": client_id} | ({"client_secret": secret} if secret else {})
        return self.post(path, auth=(client_id, secret) if method == "client_secret_basic" else None, **form)

    # Keys

    def jwks(self) -> dict[str, Any]:
        """Return the published key set: the active key first, then the pending and the retired keys."""
        return deepcopy(self._server.jwks)

    @property
    def kid(self) -> str:
        """The `kid` of the key that signs RS256."""
        return self.kid_of(DEFAULT)

    def kid_of(self, alg: str) -> str:
        """Return the `kid` of the key that signs `alg`. Raises ValueError if none does yet."""
        return self._key(alg, "active").kid

    def rotate(self, alg: str = DEFAULT) -> str:
        """Make the pending key sign at once, publish the next one, and return the `kid` that signs now.

        Verifiers that have fetched the key set have this key. Call it twice, and a key signs that no verifier has
        fetched. Raises ValueError for an algorithm that no client uses.
        """
        self._key(alg, "pending")
        step = self._lifecycle.promote(alg, emergency=True)
        self._server.read_keys()
        return str(step.kid)

    def rotate_when_due(self) -> list[Transition]:
        """Apply what the schedule says is due, as a running server does. Returns the changes."""
        steps = self._lifecycle.run_due()
        self._server.read_keys()
        return steps

    def revoke_key(self, kid: str | None = None) -> None:
        """Revoke a key, by default the one that signs RS256: it leaves the key set at once.

        Raises ValueError if `kid` is not published.
        """
        published = [key["kid"] for key in self.jwks()["keys"]]
        if kid is not None and kid not in published:
            raise ValueError(f"There is no published key {kid}; there are: {', '.join(published)}.")
        self._lifecycle.revoke(kid or self.kid)
        self._server.read_keys()

    # Outages

    @contextmanager
    def down(self) -> Iterator[None]:
        """Stop the server within the `with`, then start it again on the same port with the same data."""
        self._server.stop()
        try:
            yield
        finally:
            self._server.start()

    def _added(self, client: Client) -> Client:
        self._keep_keys_for(client.policy.get("access_token_ttl", 0))
        if client.subject_type == "pairwise":
            self._lifecycle.create_subject_key()
        if self._lifecycle.change_clients(client.algorithms, lambda connection: clients.add(connection, client)):
            self._server.read_keys()
        return client

    def _key(self, alg: str, state: str) -> SigningKey:
        check_alg(alg)
        key = in_state(self._lifecycle.read(), alg, state)
        if key is None:
            begin = f'issuer.client(access_token_alg="{alg}") publishes one, issuer.rotate(alg="{alg}") makes it sign'
            raise ValueError(f"There is no {state} {alg} key: {begin}.")
        return key

    def _keep_keys_for(self, ttl: int) -> None:
        """A key stays published for as long as the longest-lived token that it may have signed."""
        if ttl > self._settings.access_token_ttl:
            with self._database.begin() as connection:
                signing_keys.raise_max_token_ttl(connection, ttl, self.clock.microseconds())


@contextmanager
def running_issuer(**settings: Any) -> Iterator[Issuer]:
    """Run an issuer with an empty database and fresh keys. Several may run at once; none leaves a thread, file or port.

    `settings` are named as in `authserver config show`, in lower case. Raises pydantic's ValidationError for invalid
    ones, ValueError for `issuer`, `database_url` and `key_encryption_key`, which are chosen here.
    """
    if chosen := sorted(_CHOSEN & set(settings)):
        raise ValueError(f"running_issuer chooses {', '.join(chosen)} itself. Leave it out.")
    clock = Clock()
    with to_logging(), memory() as url, closing(Port()) as port:
        complete = _settings(port, url, settings)
        with closing(open_database(complete, clock.microseconds)) as database:
            initialise(complete, database, clock.microseconds)
            server = IssuerServer(complete, database, port, clock.microseconds)
            clock.moved = server.read_keys
            try:
                yield Issuer(complete, database, server, clock)
            finally:
                server.stop()


def _settings(port: Port, database_url: str, given: dict[str, Any]) -> Settings:
    key: Any = base64url.encode(system.new_key())
    url: Any = database_url
    chosen: dict[str, Any] = {
        "issuer": f"http://{HOST}:{port.number}",
        "database_url": url,
        "key_encryption_key": key,
    }
    return Settings(**_FOR_TESTS | given | chosen)


@cache
def _passwords() -> PasswordHasher:
    """Return a hasher with the server's own cost: a cheaper hash would be replaced at the first login."""
    return PasswordHasher()

"""The road: load, authenticate, decide, sign, commit. Each step appears once, here; a grant cannot skip one."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog
from authlib.oauth2 import AuthorizationServer

from ..clock import Clock
from ..domain.elapsed import Elapsed
from ..domain.errors import KeyMissing, Unavailable
from ..domain.models import Client
from ..store.cache import Cache
from ..store.database import Change, Database
from .client_auth import authenticate
from .errors import InvalidClientError, OAuth2Error, Reply, detail_of, reply_to
from .grant import Decision, Event, Tools, Traveller, WalkAgain
from .grants import GRANTS
from .request import TokenRequest, Walk

WALKS = 3
log: Any = structlog.get_logger("authserver")


class Road(AuthorizationServer):
    """Authlib's server: its registry of grants and their validation; the order of things is ours."""

    def __init__(
        self,
        database: Database,
        clients: Cache[str, Client],
        tools: Tools,
        reload_keys: Callable[[], Awaitable[None]],
        sign_aside: Callable[..., Awaitable[str]],
        clock: Clock,
        follow_clock: Callable[[], Awaitable[None]],
    ) -> None:
        """`sign_aside` calls what signs with a key outside of this process, beside the event loop. `follow_clock` reads
        the clock that `clock` follows, if there is one."""
        super().__init__()
        self.database, self.clients, self.tools = database, clients, tools
        self.reload_keys, self.sign_aside = reload_keys, sign_aside
        self._clock, self._follow_clock = clock, follow_clock
        for grant in GRANTS:
            self.register_grant(grant)

    async def answer(self, request: TokenRequest, choose: Callable[[Walk], Traveller] | None = None) -> Reply:
        """Walk the road, again from load each time that another request's commit was first.

        `choose` makes what travels it; without it Authlib's registry picks the grant. Raises Unavailable.
        """
        choose, has_reloaded = choose or self.get_token_grant, False
        for number in range(WALKS):
            traveller: Traveller | None = None
            if number > 0:
                await self._follow_clock()
            try:
                traveller = choose(Walk(request, number, self._elapsed()))
                traveller.server = self
                decision = await self._walk(traveller)
            except WalkAgain:
                continue
            except KeyMissing:
                if has_reloaded or number == WALKS - 1:
                    raise
                await self.reload_keys()
                has_reloaded = True
                continue
            except OAuth2Error as error:
                return await self._refuse(error, request, traveller)
            if await self._commit(decision.change):
                _report(traveller, traveller.events())
                return decision.reply
        raise Unavailable("Another request was first on every walk.")

    def _elapsed(self) -> Elapsed:
        return Elapsed(self._clock.timeline(), self.database.outages)

    async def _walk(self, traveller: Traveller) -> Decision:
        await self._authenticate_client(traveller)
        await self._load(traveller)
        await traveller.authenticate()
        traveller.validate_token_request()
        return await self._sign(traveller.create_token_response(), traveller.request)

    async def _authenticate_client(self, traveller: Traveller) -> None:
        request = traveller.request
        client = await self.clients.get(request.credentials.client_id, anew=request.number > 0)
        request.known_client = client.id if client else ""
        try:
            request.client = authenticate(request.credentials, client, request.now)
        except InvalidClientError:
            if client is None or request.number > 0:
                raise
            raise WalkAgain from None  # with a new secret, say, that the row in the cache does not have yet
        traveller.check_client()

    async def _load(self, traveller: Traveller) -> None:
        key = traveller.key()
        if traveller.loader is not None and key is not None:
            traveller.loaded = await self.database.load(traveller.loader, key)

    async def _sign(self, decision: Decision, request: Walk) -> Decision:
        if decision.claims is None:
            return decision
        reply, keyring = decision.reply, self.tools.keyring
        client: Client = request.client.client
        signing = (decision.claims, self._clock.steady(), client.access_token_alg, client.access_token_typ)
        if keyring.is_remote(client.access_token_alg):
            token = await self.sign_aside(keyring.sign, *signing)
        else:
            token = keyring.sign(*signing)
        body = {"access_token": token, **(reply.body or {})}
        return Decision(replace(reply, body=body), change=decision.change)

    async def _commit(self, change: Change | None) -> bool:
        return change is None or await self.database.write(change)

    async def _refuse(self, error: OAuth2Error, request: TokenRequest, traveller: Traveller | None) -> Reply:
        """What a refusal writes is committed before it is told; a success's change is never in reach here."""
        if traveller is not None:
            await self._commit(traveller.on_refusal)
            _report(traveller, [traveller.refusal_event] if traveller.refusal_event else [])
            fields = _fields_of(traveller)
        else:
            fields = await self._fields_without_traveller(request)
        log.info("refused", error=error.error, reason=detail_of(error), **fields)
        return reply_to(error, by_header=request.credentials.by_header)

    async def _fields_without_traveller(self, request: TokenRequest) -> dict[str, str]:
        """For a grant type that is not supported: an operator wants to know whose program sends it."""
        client = await self.clients.get(request.credentials.client_id)
        return {"client_id": client.id if client else "", "network": request.network}

    def authenticate_client(self, request: Walk, methods: object, endpoint: str = "token") -> object:
        """Authlib's hook: the road has authenticated the client before it let the grant look."""
        return request.client

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """No signals: what a request changes is in its decision."""


def _report(traveller: Traveller, events: list[Event]) -> None:
    for event in events:
        getattr(log, event.level)(event.name, **_fields_of(traveller) | event.fields)


def _fields_of(traveller: Traveller) -> dict[str, str]:
    """Who it is about, as far as that is proven."""
    request = traveller.request
    return {"client_id": request.known_client, "network": request.network, **traveller.about()}

"""The pipeline: parse -> accept client -> load -> count -> authenticate -> decide -> sign -> commit -> render.

Endpoints parse before it and render after it. Each step occurs once, in `_attempt`, so that no handler can skip one.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from ..clock import Clock
from ..domain.audit import AuditRecord, of_request
from ..domain.elapsed import Elapsed
from ..domain.errors import KeyMissing
from ..domain.models import Client
from ..keyring.token_signer import InWorker, TokenSigner
from ..store.cache import Cache
from ..store.database import Change, Database
from .attempt import Attempt, Request
from .audit import RepeatableEvents, with_records
from .errors import Refusal, Stale
from .event import Event
from .handler import Decision, Handler, Services, UnsignedToken

ATTEMPTS = 3
A = TypeVar("A")
R = TypeVar("R", bound=Request)
NewHandler = Callable[[Attempt[R], Services], Handler[A]]
"""A handler class, or a callable that picks one by the request."""
log: Any = structlog.get_logger("authserver")


class Pipeline:
    def __init__(
        self,
        database: Database,
        clients: Cache[str, Client],
        services: Services,
        reload_keys: Callable[[], Awaitable[None]],
        sign_in_worker: InWorker,
        clock: Clock,
        follow_clock: Callable[[], Awaitable[None]],
        repeatable: RepeatableEvents,
    ) -> None:
        """`sign_in_worker` calls a signing function outside the event loop, for keys outside this process.
        `follow_clock` measures how far the database's clock is from this machine's, where `clock` follows it."""
        self.database, self.clients, self.services = database, clients, services
        self.reload_keys, self.sign_in_worker = reload_keys, sign_in_worker
        self._signer = TokenSigner(services.keyring, sign_in_worker, clock.steady)
        self._clock, self._follow_clock, self._repeatable = clock, follow_clock, repeatable
        self._logger = log.bind()  # structlog takes 6 us to make a logger, even for what the level does not show
        self._shown = _shown_levels(self._logger)

    async def run(self, request: R, new_handler: NewHandler[R, A]) -> A:
        """Handle the request; begin again, with a fresh client, whenever a concurrent commit wins.

        Raises Unavailable, and Refusal if the handler leaves the response to the endpoint."""
        has_reloaded = is_counted = False
        for number in range(ATTEMPTS):
            if number > 0:
                await self._follow_clock()
            handler = new_handler(Attempt(request, number, self._elapsed(), is_counted), self.services)
            try:
                return await self._attempt(handler)
            except Stale:
                continue
            except KeyMissing:
                if has_reloaded or number == ATTEMPTS - 1:
                    raise
                await self.reload_keys()
                has_reloaded = True
            except Refusal as refusal:
                with suppress(Stale):
                    return await self._refuse(handler, refusal)
            finally:
                is_counted = handler.is_counted
        return handler.give_up()

    def _elapsed(self) -> Elapsed:
        return Elapsed(self._clock.timeline(), self.database.outages)

    async def _attempt(self, handler: Handler[A]) -> A:
        await self._accept_client(handler)
        await self._load(handler)
        await self._count(handler)
        await self._authenticate(handler)
        decision = await self._decide(handler)
        answer = await self._sign(decision)
        await self._commit(handler, decision.change, decision.events)
        self._log(handler, decision.events)
        return answer

    async def _accept_client(self, handler: Handler[A]) -> None:
        client_id, must_be_fresh = handler.client_id(), handler.attempt.number > 0
        if client_id is None:
            return
        client = await self.clients.get(client_id, refresh=must_be_fresh)
        handler.client_exists = client is not None
        try:
            handler.accept_client(client)
        except Refusal:
            if handler.is_current(client):
                raise
            raise Stale from None  # the cached row may predate a new secret
        handler.accepted = client
        handler.check_client()

    async def _load(self, handler: Handler[A]) -> None:
        key = handler.key()
        if handler.loader is not None and key is not None:
            handler.loaded = await self.database.load(handler.loader, key)

    async def _count(self, handler: Handler[A]) -> None:
        """Count what is tried, durably and before any expensive work, so that parallel guesses cannot slip through."""
        change = handler.count()
        if change is not None:
            await self._commit(handler, change, ())
            handler.is_counted = True
            handler.check_counted()

    async def _authenticate(self, handler: Handler[A]) -> None:
        await handler.authenticate()

    async def _decide(self, handler: Handler[A]) -> Decision[A]:
        return handler.decide()

    async def _sign(self, decision: Decision[A]) -> A:
        """Sign outside any transaction and before the commit, so that a failing signer leaves nothing changed."""
        if decision.with_tokens is None:
            return decision.answer
        signed: dict[str, str] = {}
        for token in decision.tokens:
            signed[token.name] = await self._signed(token, signed)
        return decision.with_tokens(decision.answer, signed)

    async def _signed(self, token: UnsignedToken, before: Mapping[str, str]) -> str:
        hook, claims = self.services.claims_hook, token.claims
        if hook is not None and token.hook is not None:
            claims = claims | await hook.claims(token.hook)
        if token.bound is not None:
            claims = {**claims, **token.bound(before)}
        return await self._signer.sign(claims, token.alg, token.typ, exact=token.exact)

    async def _commit(self, handler: Handler[A], change: Change | None, events: Iterable[Event]) -> None:
        record = partial(_record, handler)
        if events:  # most requests have none
            change = with_records(change, events, record)
        if change is not None and not await self.database.write(change):
            raise Stale
        if events:
            self._repeatable.note(events, record)

    async def _refuse(self, handler: Handler[A], refusal: Refusal) -> A:
        """Commit what the refusal writes, log it, and only then return the response. Raises Stale if a concurrent
        commit was first."""
        await self._commit(handler, refusal.writes, refusal.events)
        fields = {"error": refusal.code, "reason": refusal.detail}
        refused = Event("refused", "debug", fields) if refusal.is_expected else Event("refused", fields=fields)
        self._log(handler, [*refusal.events, refused])
        return handler.refuse(refusal)

    def _log(self, handler: Handler[Any], events: Iterable[Event]) -> None:
        for event in events:
            if event.level in self._shown:
                getattr(self._logger, event.level)(event.name, **_fields(handler, event))


def _shown_levels(logger: Any) -> frozenset[str]:
    """Return the levels of events that the log shows: to collect the fields of another takes 3 us. A program that
    configures structlog for itself may filter elsewhere."""
    is_enabled_for = getattr(type(logger), "is_enabled_for", lambda *_: True)
    names = ("debug", "info", "warning", "error")
    return frozenset(name for name in names if is_enabled_for(logger, logging.getLevelName(name.upper())))


def _record(handler: Handler[Any], event: Event) -> AuditRecord:
    fields, user = _fields(handler, event), handler.username()
    return of_request(event.name, fields, user, from_client=handler.from_client)


def _fields(handler: Handler[Any], event: Event) -> dict[str, str]:
    """Return the fields of the event, and those that all events of the request share."""
    client_id = handler.client_id() if handler.client_exists else None
    fields = {"client_id": client_id or "", "network": handler.attempt.request.network}
    for name, value in handler.about().items():
        if value:
            fields[name] = value
    fields.update(event.fields)
    return fields

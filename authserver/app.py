"""The composition root: the only module that sees every layer."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from . import system
from .background import INTERVALS, BackgroundTasks
from .claims_hook import ClaimsHook
from .clock import Clock
from .domain.forwarded import trusted_proxies
from .keyring import Keyring
from .passwords import PasswordHasher
from .pipeline.handler import Services
from .pipeline.pipeline import Pipeline
from .pool import Pool
from .provisioning import (
    attempt_limits,
    lifecycle,
    load_claims_hook,
    open_existing_database,
    open_keyring,
    policy,
)
from .settings import Settings
from .shared_call import SharedCall
from .store import clients
from .store.cache import Cache
from .store.database import Database
from .web.malformed import MalformedRequests
from .web.routes import AppContext, ASGIApp, application

RELOAD_INTERVAL = 1.0  # minimum seconds between two reloads of the keys that requests with unknown keys cause
_REMOTE_SIGNATURES = 1  # at the same time: see keyring/pkcs11_session.py
_SIGNATURE_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Assembly:
    """The ASGI application and its background tasks. Its lifespan runs and closes everything; call `close` yourself for
    an application that is never started."""

    app: ASGIApp
    tasks: BackgroundTasks
    close: Callable[[], None]


def create_app(settings: Settings, *, workers: int = 1, now: Callable[[], int] | None = None) -> ASGIApp:
    """Create the ASGI application of one of `workers` processes.

    `now` returns the time in microseconds and is used as it is. The default is this machine's clock, kept in step with
    the database's if several nodes share one. Raises Misconfigured or Unavailable if the server cannot start.
    """
    return assemble(settings, workers=workers, now=now).app


def assemble(
    settings: Settings,
    *,
    workers: int = 1,
    now: Callable[[], int] | None = None,
    enable: Collection[str] = tuple(INTERVALS),
) -> Assembly:
    """Like `create_app`, but also returns the background tasks so that tests can drive them.

    Only the tasks that `enable` names run in the background.
    """
    clock = now if isinstance(now, Clock) else Clock(now, now) if now else Clock()
    function = load_claims_hook(settings)
    hook = ClaimsHook(function, settings.claims_hook_timeout) if function else None
    malformed, passwords = MalformedRequests(), PasswordHasher(settings.password_queue, workers)
    key_service = Pool("key service", _REMOTE_SIGNATURES, queue=128, timeout=_SIGNATURE_TIMEOUT)
    database = open_existing_database(settings, clock, clock.steady)
    keyring = open_keyring(settings, database, clock)
    schedule, retention = lifecycle(settings, database, clock), settings.audit_retention
    tasks = BackgroundTasks(database, keyring, schedule, clock, malformed, retention, enable)
    if now is None:
        tasks.start_clock()
    pipeline = _pipeline(settings, database, keyring, passwords, hook, key_service, tasks, clock)
    context = AppContext(
        issuer=settings.issuer,
        jwks_max_age=settings.jwks_max_age,
        first_party_api=settings.first_party_api == "on",
        pipeline=pipeline,
        database=database,
        keyring=keyring,
        now=clock,
        steady=clock.steady,
        new_id=system.new_id,
        malformed=malformed,
        trusted_proxies=trusted_proxies(settings.trusted_proxies or ""),
        web_origins=Cache(database, clients.web_origins_many, clock.steady),
    )

    def close() -> None:
        hook_parts = [hook.close] if hook else []
        for close_part in (tasks.close, passwords.close, *hook_parts, key_service.close, database.close):
            close_part()

    return Assembly(application(context, _lifespan(tasks, close)), tasks, close)


def _pipeline(
    settings: Settings,
    database: Database,
    keyring: Keyring,
    passwords: PasswordHasher,
    hook: ClaimsHook | None,
    key_service: Pool,
    tasks: BackgroundTasks,
    clock: Clock,
) -> Pipeline:
    make = (system.new_id, system.new_key, system.new_secret)
    return Pipeline(
        database,
        Cache(database, clients.load_many, clock.steady),
        Services(settings.issuer, policy(settings), attempt_limits(settings), keyring, passwords, *make, hook),
        SharedCall(tasks.read_keys, RELOAD_INTERVAL),
        key_service.run,
        clock,
        tasks.follow_clock,
        tasks.repeatable,
    )


def _lifespan(tasks: BackgroundTasks, close: Callable[[], None]) -> Any:
    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        try:
            async with tasks.running():
                yield
        finally:
            close()

    return lifespan

"""The composition root: the only module that sees every layer."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from . import system
from .accounts.mailed_links import MailedLinks
from .background import INTERVALS, BackgroundTasks
from .claims_hook import ClaimsHook
from .clock import Clock
from .domain.forwarded import trusted_proxies
from .domain.outbox import LOGOUT, MAIL
from .domain.outgoing import allow_list
from .domain.webhook_signature import key_of
from .event_delivery.delivery import Delivery
from .event_delivery.hook import Hook
from .event_delivery.receiver import Receiver
from .event_delivery.webhook import Webhook
from .fetch import Fetcher
from .keyring import Keyring
from .keyring.token_signer import TokenSigner
from .mail import as_they_are
from .oauth.logout.back_channel import LogoutTokens
from .observability.instruments import Instruments
from .observability.recorder import Recorder, Sources
from .observability.sheet import Sheet
from .outbox import OutboxWorker, Sender
from .passwords import PasswordHasher
from .pipeline.handler import Services
from .pipeline.pipeline import Pipeline
from .pool import Pool
from .provisioning import (
    account_policy,
    attempt_limits,
    interactions,
    key_policy,
    lifecycle,
    load_audit_hook,
    load_claims_hook,
    open_existing_database,
    open_keyring,
    open_mail,
    open_templates,
    open_tracing,
    policy,
    wrong_secrets,
)
from .settings import Settings
from .shared_call import SharedCall
from .store import clients
from .store.cache import Cache
from .store.database import Database
from .web.context import AppContext
from .web.malformed import MalformedRequests
from .web.management import management
from .web.routes import ASGIApp, application

RELOAD_INTERVAL = 1.0  # minimum seconds between two reloads of the keys for tokens of an unknown key
_REMOTE_SIGNATURES = 1  # at the same time: see keyring/pkcs11_session.py
_SIGNATURE_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the management address serves."""

    app: ASGIApp
    sample: Callable[[], None]
    """Call this every second: it samples the values that are not counted."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """The ASGI application and its background tasks. Its lifespan runs and closes everything; call `close` yourself for
    an application that is never started."""

    app: ASGIApp
    tasks: BackgroundTasks
    close: Callable[[], None]
    metrics: Metrics | None = None
    """None without a sheet."""


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
    sheet: Sheet | None = None,
) -> Assembly:
    """Like `create_app`, but also returns the background tasks so that tests can drive them, and the metrics.

    Only the tasks that `enable` names run in the background. Nothing is counted without a `sheet`.
    """
    clock = now if isinstance(now, Clock) else Clock(now, now) if now else Clock()
    function = load_claims_hook(settings)
    hook = ClaimsHook(function, settings.claims_hook_timeout) if function else None
    malformed, passwords = MalformedRequests(), PasswordHasher(settings.password_queue, workers)
    key_service = Pool("key service", _REMOTE_SIGNATURES, queue=128, timeout=_SIGNATURE_TIMEOUT)
    database = open_existing_database(settings, clock, clock.steady)
    keyring = open_keyring(settings, database, clock)
    schedule, retention = lifecycle(settings, database, clock), settings.audit_retention
    deliveries = _deliveries(settings, database, clock)
    outbox = OutboxWorker(_senders(settings, database, keyring, key_service, clock), database, clock)
    tasks = BackgroundTasks(database, keyring, schedule, clock, malformed, retention, outbox, deliveries, enable)
    if now is None:
        tasks.start_clock()
    recorder = None if sheet is None else Recorder(sheet.claim(), clock())
    instruments = Instruments(recorder, open_tracing(settings))
    pipeline = _pipeline(settings, database, keyring, passwords, hook, key_service, tasks, clock, instruments)
    context = _context(settings, clock, pipeline, malformed, instruments)

    def close() -> None:
        hook_parts = [hook.close] if hook else []
        parts = (tasks.close, passwords.close, *hook_parts, key_service.close, database.close, instruments.close)
        for close_part in parts:
            close_part()

    app = application(context, _lifespan(tasks, close))
    if sheet is None or recorder is None:
        return Assembly(app, tasks, close)
    from .observability.exposition import Exposition  # imported here: most servers start 30 ms earlier without it

    database.group_ended, outbox.attempt_ended = recorder.group_ended, recorder.attempt_ended
    exposition = Exposition(sheet, clock, lambda: keyring.signing_keys, key_policy(settings), lambda: tasks.backlog)
    sources = Sources(lambda: passwords.waiting, lambda: database.waiting, lambda: malformed.total)
    sample = partial(recorder.sample, sources, clock.steady)
    return Assembly(app, tasks, close, Metrics(management(context, exposition.render), sample))


def _deliveries(settings: Settings, database: Database, clock: Clock) -> list[Delivery]:
    function, url, secret = load_audit_hook(settings), settings.audit_webhook, settings.audit_webhook_secret
    receivers: list[Receiver] = [Hook(function)] if function else []
    if url is not None and secret is not None:
        key, fetcher = key_of(secret.get_secret_value()), Fetcher(allow_list(settings.fetch_allow or ""))
        receivers.append(Webhook(url, key, settings.issuer, fetcher, clock))
    return [Delivery(receiver, database, clock) for receiver in receivers]


def _senders(
    settings: Settings, database: Database, keyring: Keyring, key_service: Pool, clock: Clock
) -> dict[str, Sender]:
    """Return the sender of each kind of message in the outbox."""
    issuer = settings.issuer
    # One host may serve many clients. The outbox makes sure that a host that is down does not delay the others.
    fetcher = Fetcher(allow_list(settings.fetch_allow or ""), per_host=LogoutTokens.limit)
    signer = TokenSigner(keyring, key_service.run, clock.steady)
    mailed_links = MailedLinks(issuer, database, keyring, clock)
    return {
        LOGOUT: LogoutTokens(issuer, database, keyring, signer, fetcher, clock, system.new_secret),
        MAIL: open_mail(settings, {"test": as_they_are, **mailed_links.values()}),
    }


def _context(
    settings: Settings, clock: Clock, pipeline: Pipeline, malformed: MalformedRequests, instruments: Instruments
) -> AppContext:
    database = pipeline.database
    return AppContext(
        issuer=settings.issuer,
        jwks_max_age=settings.jwks_max_age,
        first_party_api=settings.first_party_api == "on",
        pipeline=pipeline,
        database=database,
        keyring=pipeline.services.keyring,
        now=clock,
        steady=clock.steady,
        new_id=system.new_id,
        malformed=malformed,
        trusted_proxies=trusted_proxies(settings.trusted_proxies or ""),
        templates=open_templates(settings),
        web_origins=Cache(database, clients.web_origins_many, clock.steady),
        observers=instruments.middleware(urlsplit(settings.issuer).path),
    )


def _pipeline(
    settings: Settings,
    database: Database,
    keyring: Keyring,
    passwords: PasswordHasher,
    hook: ClaimsHook | None,
    key_service: Pool,
    tasks: BackgroundTasks,
    clock: Clock,
    instruments: Instruments,
) -> Pipeline:
    make = (system.new_id, system.new_key, system.new_secret)
    return instruments.new_pipeline(
        database,
        Cache(database, clients.load_many, clock.steady),
        Services(
            settings.issuer,
            policy(settings),
            attempt_limits(settings),
            wrong_secrets(settings),
            keyring,
            passwords,
            *make,
            hook,
            interactions(settings),
            key_policy(settings),
            settings.password_min_length,
            settings.mail_destination() is not None,
            settings.sign_up == "on",
            account_policy(settings),
        ),
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

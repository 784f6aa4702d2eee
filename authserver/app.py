"""The composition root: the only module that sees every layer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog

from . import system
from .clock import Clock
from .domain.errors import Misconfigured, Unavailable
from .domain.forwarded import trusted_proxies
from .domain.key_schedule import KeyPolicy, Transition
from .domain.models import SECOND, Policy
from .domain.pruning import EVERY, rest
from .keyring import KeyEncryptionKeys, Keyring, KeyStore, files
from .keyring.lifecycle import Lifecycle
from .keyring.signer import KeyService
from .passwords import Passwords
from .pipeline.handler import Services
from .pipeline.pipeline import Pipeline
from .pool import Pool
from .settings import Settings
from .shared_call import SharedCall
from .store import clients, migrations, pruning, signing_keys, sqlite_file
from .store.cache import Cache
from .store.database import Database
from .store.engine import warnings as database_warnings
from .timekeeper import Timekeeper
from .web.malformed import MalformedRequests
from .web.routes import ASGIApp, Parts, application

_LOOK = 0.25  # seconds: a step of the wall clock is noticed though no request comes
_POLL = 2  # seconds: every process sees a change of the keys within 5
_RELOAD = 1.0  # seconds, at least, between two readings that requests with unknown keys ask for
_SCHEDULE = 5  # seconds
_REMOVE_REFRESH_KEYS = 600  # seconds
_PRUNE = EVERY  # seconds; of all processes that try, one prunes
_REMOTE_SIGNATURES = 1  # at once: keyring/pkcs11_session.py
_SIGNATURE_TIMEOUT = 5.0  # seconds
_FORBIDDEN_GRANT = (
    "these clients may use the password grant, which RFC 9700 s2.4 says MUST NOT be used; keep it to your own "
    "first-party apps: {}"
)
_NO_HSM_EXTRA = """AUTHSERVER_PKCS11_MODULE is set, and the package that speaks PKCS #11 is not installed. Run:

    pip install "authserver[hsm]\""""
_NO_PIN = """AUTHSERVER_PKCS11_MODULE is set, and no PIN. Write it to a file and name that:

    AUTHSERVER_PKCS11_PIN_FILE=/path/to/pin"""
log: Any = structlog.get_logger("authserver")


def create_app(settings: Settings, *, now: Callable[[], int] | None = None) -> ASGIApp:
    """The ASGI application. `now` is a clock to be taken as it is (microseconds); without one the system's is, kept to
    the database's where nodes share one. Raises Misconfigured or Unavailable if the server cannot start like this."""
    return assemble(settings, now=now)[0]


def assemble(settings: Settings, *, now: Callable[[], int] | None = None) -> tuple[ASGIApp, "Upkeep"]:
    """As `create_app`, and what the application does by itself, for who wants to do that by hand."""
    clock = now if isinstance(now, Clock) else Clock(now, now) if now else Clock()
    database = open_existing_database(settings, clock, clock.steady)
    upkeep = Upkeep(database, open_keyring(settings, database, clock), lifecycle(settings, database, clock), clock)
    if now is None:
        upkeep.keep_time()
    passwords = Passwords(settings.password_queue)
    make = (system.new_id, system.new_key, system.new_secret)
    services = Services(settings.issuer, policy(settings), upkeep.keyring, passwords, *make)
    key_service = Pool("key service", _REMOTE_SIGNATURES, queue=128, patience=_SIGNATURE_TIMEOUT)
    pipeline = Pipeline(
        database,
        Cache(database, clients.load_many, clock.steady),
        services,
        SharedCall(upkeep.read_keys, _RELOAD),
        key_service.run,
        clock,
        upkeep.follow_clock,
    )
    upkeep.pools += [passwords, key_service]
    malformed = MalformedRequests()
    upkeep.report(malformed)
    parts = Parts(
        issuer=settings.issuer,
        jwks_max_age=settings.jwks_max_age,
        first_party_api=settings.first_party_api == "on",
        pipeline=pipeline,
        database=database,
        keyring=upkeep.keyring,
        now=clock,
        steady=clock.steady,
        new_id=system.new_id,
        malformed=malformed,
        trusted_proxies=trusted_proxies(settings.trusted_proxies or ""),
        web_origins=Cache(database, clients.web_origins_many, clock.steady),
    )
    return application(parts, _lifespan(upkeep)), upkeep


class Upkeep:
    """What the server does by itself, beside the requests: read and rotate the keys, keep the time, prune."""

    def __init__(self, database: Database, keyring: Keyring, lifecycle: Lifecycle, clock: Clock) -> None:
        self.database, self.keyring, self._lifecycle, self._clock = database, keyring, lifecycle, clock
        self._timekeeper = Timekeeper(database, clock)
        self.follow_clock = self._timekeeper.follow
        self._asked = self._taken_over = 0
        self._rest: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._aside = Pool("background", threads=1, queue=8)  # which may hang with an HSM, and hold up no end
        self.pools: list[Pool | Passwords] = [self._aside]
        self.at_end: list[Callable[[], None]] = []
        self.tasks: list[tuple[float, Callable[[], Awaitable[None]]]] = [
            (_LOOK, self._timekeeper.look),
            (_POLL, self.read_keys),
            (_SCHEDULE, self.rotate_keys),
            (_PRUNE, self.prune),
            (_REMOVE_REFRESH_KEYS, self.remove_unused_refresh_keys),
        ]

    async def read_keys(self) -> None:
        """An older state that arrives after a newer one is not taken over. Raises Unavailable."""
        asked_at, self._asked = self._clock.steady(), self._asked + 1
        number = self._asked
        state = await self.database.load(signing_keys.load_many, None)
        if state is not None and number > self._taken_over:
            try:
                self.keyring.update(state, asked_at)
            except Misconfigured as error:  # sealed under a key-encryption key that is not here yet
                raise Unavailable(str(error)) from error
            self._taken_over = number

    async def rotate_keys(self) -> None:
        """What the schedule says is due. Every process does this; the database decides who was first."""
        state = await self.database.load(signing_keys.load_many, None)
        if state is not None and self._lifecycle.is_due(state):
            await self._aside.run(partial(self._lifecycle.run_due, _log_step))
            await self.read_keys()

    async def remove_unused_refresh_keys(self) -> None:
        for id in await self._aside.run(self._lifecycle.remove_unused_refresh_keys):
            log.info("refresh_key_removed", id=id)
        for kid in await self._aside.run(self._lifecycle.destroy_orphaned_keys):
            log.info("key_destroyed", kid=kid)

    def report(self, malformed: MalformedRequests) -> None:
        async def report_malformed_requests() -> None:
            malformed.flush()

        self.tasks.append((malformed.EVERY, report_malformed_requests))
        self.at_end.append(malformed.flush)

    def close(self) -> None:
        for finish in self.at_end:
            finish()
        for pool in self.pools:
            pool.close()
        self.database.close()

    def keep_time(self) -> None:
        """On PostgreSQL all nodes keep to the database's clock: now, and at every poll. Raises Unavailable."""
        self._timekeeper.begin()
        self.tasks.append((_POLL, self.follow_clock))

    async def prune(self) -> None:
        """Batch after batch while one is due, unless another process has it; in between, requests come first."""
        while (batch := await self.database.load(pruning.next_batch_many, None)) is not None:
            latest, began = self._clock.timeline().earliest(pruning.KEPT * SECOND), self._clock.steady()
            if not await self.database.write(pruning.prune(batch, latest)):
                return
            await self._rest(rest(self._clock.steady() - began))


def _log_step(step: Transition) -> None:
    log.info("key_changed", change=step.change, alg=step.alg, kid=step.kid)


def _lifespan(upkeep: Upkeep) -> Any:
    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_repeat(seconds, work)) for seconds, work in upkeep.tasks]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            upkeep.close()

    return lifespan


def check(settings: Settings, workers: int = 1) -> list[str]:
    """What an operator should know before so many workers start. Raises Misconfigured or Unavailable if they cannot."""
    database = open_existing_database(settings)
    try:
        open_keyring(settings, database, Clock()).check()
        with database.begin() as connection:
            everyone = clients.load_all(connection)
            warnings = database_warnings(connection, workers)
    finally:
        database.close()
    names = [client.name for client in everyone if "password" in client.grant_types and not client.disabled]
    return warnings + ([_FORBIDDEN_GRANT.format(", ".join(names))] if names else [])


def open_database(
    settings: Settings, now: Callable[[], int] = system.now, steady: Callable[[], int] | None = None
) -> Database:
    return Database(
        settings.database_url.get_secret_value(),
        now,
        steady,
        prepared_statements=settings.database_prepared_statements == "on",
        connections=settings.database_connections,
    )


def open_existing_database(
    settings: Settings, now: Callable[[], int] = system.now, steady: Callable[[], int] | None = None
) -> Database:
    """Raises Misconfigured or Unavailable if there is no such file, where SQLite would create an empty one."""
    sqlite_file.check_exists(settings.database_url.get_secret_value())
    return open_database(settings, now, steady)


def open_key_encryption_keys(settings: Settings) -> KeyEncryptionKeys:
    """Those handed in by the environment, else those in the folder. Raises Misconfigured for a file that is unsafe."""
    handed_in = settings.key_encryption_keys()[::-1]
    if handed_in:
        return KeyEncryptionKeys({f"AUTHSERVER_KEY_ENCRYPTION_KEY {place}": key for place, key in enumerate(handed_in)})
    return KeyEncryptionKeys(files.read(settings.keys_dir))


def open_key_store(settings: Settings) -> KeyStore:
    """Raises Misconfigured, and Unavailable for a key service that cannot be reached."""
    return KeyStore(open_key_encryption_keys(settings), open_key_service(settings))


def open_key_service(settings: Settings) -> KeyService | None:
    """Where new private keys are made, if not in the database. Raises Misconfigured and Unavailable."""
    if settings.pkcs11_module is None:
        return None
    try:
        from .keyring.pkcs11 import Pkcs11
    except ImportError as error:
        raise Misconfigured(_NO_HSM_EXTRA) from error
    if settings.pkcs11_pin is None:  # an empty one would be a wrong one, and tokens count those
        raise Misconfigured(_NO_PIN)
    pin = settings.pkcs11_pin.get_secret_value()
    return Pkcs11(str(settings.pkcs11_module), settings.pkcs11_token, pin, system.new_id)


def policy(settings: Settings) -> Policy:
    return Policy(
        access_token_ttl=settings.access_token_ttl,
        refresh_retry_window=settings.refresh_retry_window,
        refresh_idle_ttl=settings.refresh_idle_ttl,
        refresh_absolute_ttl=settings.refresh_absolute_ttl,
        max_authorizations=settings.max_authorizations,
    )


def lifecycle(settings: Settings, database: Database, now: Callable[[], int] = system.now) -> Lifecycle:
    policy = KeyPolicy(settings.key_lead_time, settings.key_rotation_period, settings.jwks_max_age)
    keys = partial(open_key_store, settings)
    timeline = now.timeline if isinstance(now, Clock) else Clock(now, now).timeline
    return Lifecycle(database, keys, settings.access_token_ttl, now, policy, system.new_key, timeline)


def open_keyring(settings: Settings, database: Database, clock: Clock) -> Keyring:
    private = open_key_store(settings)
    with database.begin() as connection:
        migrations.check(connection)
        signing_keys.raise_max_token_ttl(connection, settings.access_token_ttl, clock())
        state = signing_keys.load(connection)
    return Keyring(private, state, clock.steady(), partial(open_key_store, settings))


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (Unavailable, Misconfigured) as error:
            log.warning("background_work_failed", work=work.__name__, reason=str(error))
        except Exception:
            log.exception("background_work_failed", work=work.__name__)

"""The composition root: the only module that sees every layer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from . import system
from .domain.errors import Unavailable
from .domain.key_schedule import KeyPolicy, transitions
from .domain.models import Policy
from .keyring import KeyEncryptionKeys, Keyring, files
from .keyring.lifecycle import Lifecycle
from .oauth.grant import Tools
from .oauth.road import Road
from .passwords import Passwords
from .settings import Settings
from .store import clients, migrations, pruning, signing_keys
from .store.cache import Cache
from .store.database import Database
from .web.routes import ASGIApp, Parts, application

_POLL = 2  # seconds: every process sees a change of the keys within 5
_SCHEDULE = 5  # seconds
_PRUNE = 10  # seconds for each thousand logins
_FORBIDDEN_GRANT = (
    "these clients may use the password grant, which RFC 9700 s2.4 says MUST NOT be used; keep it to your own "
    "first-party apps: {}"
)
log: Any = structlog.get_logger("authserver")


def create_app(settings: Settings, *, now: Callable[[], int] = system.now) -> ASGIApp:
    """The ASGI application. Raises Misconfigured or Unavailable if the server cannot start like this."""
    database = open_database(settings, now)
    keyring = _open_keyring(settings, database, now)
    passwords = Passwords(settings.password_queue)
    tools = Tools(
        settings.issuer, policy(settings), keyring, passwords, system.new_id, system.new_key, system.new_secret
    )

    async def reload_keys() -> None:
        state = await database.load(signing_keys.load_many, None)
        if state is not None:
            keyring.update(state, now())

    pruned_to = pruning.FIRST

    async def prune() -> None:
        nonlocal pruned_to
        end = await database.load(pruning.end_of_batch_many, pruned_to)
        await database.write(pruning.prune(pruned_to, end or pruning.LAST))
        pruned_to = end or pruning.FIRST

    keys = lifecycle(settings, database, now)

    async def keep_schedule() -> None:
        if transitions(keyring.signing_keys, keys.policy, now()):
            for step in await asyncio.to_thread(keys.run_due):
                log.info("signing_key_changed", change=step.change, alg=step.alg, kid=step.kid)

    work = ((_POLL, reload_keys), (_SCHEDULE, keep_schedule), (_PRUNE, prune))

    @asynccontextmanager
    async def lifespan(app: object) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_repeat(seconds, do)) for seconds, do in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            passwords.close()
            database.close()

    road = Road(database, Cache(database, clients.load_many, now), tools, reload_keys)
    parts = Parts(
        settings.issuer,
        settings.jwks_max_age,
        settings.first_party_api == "on",
        road,
        database,
        keyring,
        now,
        system.new_id,
    )
    return application(parts, lifespan)


def check(settings: Settings) -> list[str]:
    """What an operator should know before the server starts. Raises Misconfigured or Unavailable if it cannot start."""
    database = open_database(settings)
    try:
        _open_keyring(settings, database, system.now)
        with database.begin() as connection:
            everyone = clients.load_all(connection)
    finally:
        database.close()
    names = [client.name for client in everyone if "password" in client.grant_types and not client.disabled]
    return [_FORBIDDEN_GRANT.format(", ".join(names))] if names else []


def open_database(settings: Settings, now: Callable[[], int] = system.now) -> Database:
    return Database(settings.database_url.get_secret_value(), now)


def open_key_encryption_keys(settings: Settings) -> KeyEncryptionKeys:
    """Those handed in by the environment, else those in the folder. Raises Misconfigured for a file that is unsafe."""
    handed_in = settings.key_encryption_keys()[::-1]
    if handed_in:
        return KeyEncryptionKeys({f"AUTHSERVER_KEY_ENCRYPTION_KEY {place}": key for place, key in enumerate(handed_in)})
    return KeyEncryptionKeys(files.read(settings.keys_dir))


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
    return Lifecycle(database, lambda: open_key_encryption_keys(settings), policy, settings.access_token_ttl, now)


def _open_keyring(settings: Settings, database: Database, now: Callable[[], int]) -> Keyring:
    keks = open_key_encryption_keys(settings)
    with database.begin() as connection:
        migrations.check(connection)
        signing_keys.raise_max_token_ttl(connection, settings.access_token_ttl)
        state = signing_keys.load(connection)
    return Keyring(keks, state, now())


async def _repeat(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Unavailable as error:
            log.warning("background_work_failed", work=work.__name__, because=str(error))
        except Exception:
            log.exception("background_work_failed", work=work.__name__)

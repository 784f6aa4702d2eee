"""Opens the database and keys that the settings name, creates missing ones, and checks the rest: for the application,
the commands and `authserver.testing`.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import hook_function, system
from .clock import Clock
from .domain import first_party, profile, refresh_key_schedule
from .domain.account_policy import AccountPolicy
from .domain.attempts import AttemptLimits, at_once, daily, hourly
from .domain.audit import SERVER, AuditRecord
from .domain.errors import Misconfigured
from .domain.hosts import address_of
from .domain.key_schedule import KeyPolicy
from .domain.mail import MailFolder, SmtpServer
from .domain.models import SECOND, Policy
from .domain.network_limit import NetworkLimit
from .file_modes import writable_by_others
from .keyring import KeyEncryptionKeys, Keyring, KeyStore, files
from .keyring.attempt_keys import attempt_keys
from .keyring.lifecycle import Lifecycle, bootstrap
from .keyring.signer import KeyService
from .settings import Settings
from .store import clients, events, migrations, signing_keys, sqlite_file
from .store.database import Connection, Database
from .store.engine import warnings as database_warnings

if TYPE_CHECKING:
    from .mail import Unconfigured, Values
    from .mail.folder import MailFolderTransport
    from .mail.sender import MailSender
    from .mail.smtp import SmtpTransport
    from .observability.tracing import Tracing
    from .web.browser.templates import Templates

_FORBIDDEN_GRANT = (
    "RFC 9700 s2.4 says that the password grant MUST NOT be used. Keep it to your own first-party apps. These clients "
    "may use it: {}"
)
_NO_HSM_EXTRA = """AUTHSERVER_PKCS11_MODULE is set, but the package for PKCS #11 is not installed. Run:

    pip install "authserver[hsm]\""""
_NO_OTEL_EXTRA = """AUTHSERVER_TRACING is on, but the packages for OpenTelemetry are not installed. Run:

    pip install "authserver[otel]\""""
_COROUTINE = """AUTHSERVER_AUDIT_HOOK={} cannot be used: it is a coroutine function. The function is called in a
thread of its own and may block, so write it without async:

    def on_event(event): ..."""
_NO_PAGES = """AUTHSERVER_PAGES_DIR={} is not a folder. Create it, or unset:

    AUTHSERVER_PAGES_DIR"""
_UNSAFE_PAGES = """{} can be written by others, who could run their own code in a template:

    {}"""
_NO_PIN = """AUTHSERVER_PKCS11_MODULE is set, but there is no PIN. Write the PIN to a file and name the file:

    AUTHSERVER_PKCS11_PIN_FILE=/path/to/pin"""


def initialise(
    settings: Settings,
    database: Database,
    now: Callable[[], int],
    key_created: Callable[[Path], None] = lambda path: None,
    actor: str = SERVER,
    algs: Collection[str] = (),
) -> None:
    """Create the tables, the key-encryption key, the first keys and the first-party client if they are missing. A new
    server gets keys of `algs`, in addition to those of the default algorithm.

    `key_created` is called with the path of a new key-encryption key. The audit trail says that `actor` did it. Raises
    Misconfigured if existing data does not fit the settings, and Refused if an existing server has no keys of `algs`.
    """
    with database.begin() as connection:
        migrations.upgrade(connection)
        state, keks = signing_keys.load(connection), open_key_encryption_keys(settings)
        if not keks and not state.signing_keys and not state.refresh_keys:
            key = system.new_key()
            path = files.create(settings.keys_dir, key, now())
            key_created(path)
            keks = KeyEncryptionKeys({str(path): key})
        keys = KeyStore(keks, open_key_service(settings))
        Keyring(keys, state, now())  # opens the existing keys, or raises an error that says what is missing
        if settings.first_party_api == "on" and clients.load(connection, first_party.CLIENT_ID) is None:
            clients.add(connection, first_party.client(now()))
            new = AuditRecord("client_created", actor, client_id=first_party.CLIENT_ID)
            events.add(connection, now(), [new])
        longest = settings.access_token_ttl
        bootstrap.create_missing(
            connection, keys, now=now(), max_token_ttl=longest, new_key=system.new_key, actor=actor, algs=algs
        )


def check(settings: Settings, workers: int = 1) -> list[str]:
    """Return warnings for the operator before this many workers start. Raises Misconfigured or Unavailable if they
    cannot start."""
    database = open_existing_database(settings)
    try:
        load_claims_hook(settings)
        load_audit_hook(settings)
        open_templates(settings)
        open_mail(settings, {}).close()
        if tracing := open_tracing(settings):
            tracing.close()
        open_keyring(settings, database, Clock()).check()
        with database.begin() as connection:
            everyone = clients.load_all(connection)
            warnings = database_warnings(connection, workers)
    finally:
        database.close()
    names = [client.name for client in everyone if "password" in client.grant_types and not client.disabled]
    return warnings + ([_FORBIDDEN_GRANT.format(", ".join(f'"{name}"' for name in names))] if names else [])


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
    """Open the database. Raises Misconfigured or Unavailable if its file does not exist: SQLite would create an empty
    one."""
    sqlite_file.check_exists(settings.database_url.get_secret_value())
    return open_database(settings, now, steady)


def open_key_encryption_keys(settings: Settings) -> KeyEncryptionKeys:
    """Return the keys from the environment, or otherwise from the folder. Raises Misconfigured for an unsafe file."""
    given = settings.key_encryption_keys()[::-1]
    if given:
        return KeyEncryptionKeys({f"AUTHSERVER_KEY_ENCRYPTION_KEY {place}": key for place, key in enumerate(given)})
    return KeyEncryptionKeys(files.read(settings.keys_dir))


def open_key_store(settings: Settings) -> KeyStore:
    """Open the key store. Raises Misconfigured, and Unavailable if the key service cannot be reached."""
    return KeyStore(open_key_encryption_keys(settings), open_key_service(settings))


def open_key_service(settings: Settings) -> KeyService | None:
    """Return the service that generates new private keys; None if they are generated here and stored in the database.
    Raises Misconfigured and Unavailable."""
    if settings.pkcs11_module is None:
        return None
    try:
        from .keyring.pkcs11 import Pkcs11
    except ImportError as error:
        raise Misconfigured(_NO_HSM_EXTRA) from error
    if settings.pkcs11_pin is None:  # an empty PIN is a wrong one, and HSMs count wrong PINs
        raise Misconfigured(_NO_PIN)
    pin = settings.pkcs11_pin.get_secret_value()
    return Pkcs11(str(settings.pkcs11_module), settings.pkcs11_token, pin, system.new_id)


def open_tracing(settings: Settings) -> "Tracing | None":
    """Return the tracing of requests; None if it is off. Raises Misconfigured if the extra is missing, or an OTEL_*
    variable is wrong."""
    if settings.tracing == "off":
        return None
    try:
        from .observability import tracing
    except ImportError as error:
        raise Misconfigured(_NO_OTEL_EXTRA) from error
    try:
        return tracing.Tracing(tracing.new_processor())
    except ValueError as error:
        raise Misconfigured(f"OpenTelemetry cannot start. Check the OTEL_ variables: {error}") from error


def open_keyring(settings: Settings, database: Database, clock: Clock) -> Keyring:
    """Open the keys that are in the database now. Raises Misconfigured and Unavailable."""
    keys = open_key_store(settings)
    with database.begin() as connection:
        migrations.check(connection)
        signing_keys.raise_max_token_ttl(connection, settings.access_token_ttl, clock())
        state = signing_keys.load(connection)
    return Keyring(keys, state, clock.steady(), partial(open_key_store, settings))


def load_claims_hook(settings: Settings) -> Callable[..., Any] | None:
    """Return the operator's function; None if there is none. Raises Misconfigured if it cannot be imported."""
    return _loaded("AUTHSERVER_CLAIMS_HOOK", settings.claims_hook, "my_claims:claims_of")


def load_audit_hook(settings: Settings) -> Callable[..., Any] | None:
    """Return the operator's function; None if there is none. Raises Misconfigured if it cannot be used."""
    function = _loaded("AUTHSERVER_AUDIT_HOOK", settings.audit_hook, "my_audit:on_event")
    if iscoroutinefunction(function):
        raise Misconfigured(_COROUTINE.format(settings.audit_hook))
    return function


def open_templates(settings: Settings) -> "Templates":
    """Return the templates of the pages. Raises Misconfigured if the operator's own cannot be used."""
    from .web.browser.templates import Templates  # only commands that serve or check need Jinja

    folder = settings.pages_dir
    if folder is not None:
        _check_pages_dir(folder)
    templates = Templates(settings.issuer, folder)
    if folder is not None:
        templates.check()
    return templates


def open_mail(settings: Settings, values: "Mapping[str, Values]") -> "MailSender | Unconfigured":
    """Return the sender of emails; `values` returns the values of each template. Raises Misconfigured if a template of
    the operator's own cannot be used."""
    from .mail import Unconfigured  # imported here: most commands need no mail

    transport = open_mail_transport(settings)
    if transport is None:
        return Unconfigured()
    from .mail.sender import MailSender
    from .mail.templates import MailTemplates

    templates = MailTemplates(settings.issuer, settings.pages_dir)
    if settings.pages_dir is not None:
        templates.check()
    return MailSender(transport, settings.mail_sender(), templates, values)


def open_mail_transport(settings: Settings) -> "MailFolderTransport | SmtpTransport | None":
    """Return the transport for emails; None if there is no mail server and no folder."""
    match settings.mail_destination():
        case SmtpServer() as server:
            from .mail.smtp import SmtpTransport

            host = urlsplit(settings.issuer).hostname or ""
            address = address_of(host)
            return SmtpTransport(server, host if address is None else f"[{address}]")
        case MailFolder(path):
            from .mail.folder import MailFolderTransport

            return MailFolderTransport(Path(path))
        case None:
            return None


def _check_pages_dir(folder: Path) -> None:
    if not folder.is_dir():
        raise Misconfigured(_NO_PAGES.format(folder))
    for path in (folder, *folder.rglob("*")):
        if fix := writable_by_others(path):
            raise Misconfigured(_UNSAFE_PAGES.format(path, fix))


def _loaded(variable: str, reference: str | None, example: str) -> Callable[..., Any] | None:
    return hook_function.load(variable, reference, example) if reference is not None else None


def key_policy(settings: Settings) -> KeyPolicy:
    return KeyPolicy(settings.key_lead_time, settings.key_rotation_period, settings.jwks_max_age)


def lifecycle(
    settings: Settings, database: Database, now: Callable[[], int] = system.now, actor: str = SERVER
) -> Lifecycle:
    keys = partial(open_key_store, settings)
    timeline = now.timeline if isinstance(now, Clock) else Clock(now, now).timeline
    ttl, policy = settings.access_token_ttl, key_policy(settings)
    return Lifecycle(database, keys, ttl, now, actor, policy, system.new_key, timeline)


def policy(settings: Settings) -> Policy:
    """Return the policy for every client that has no values of its own."""
    return Policy(
        access_token_ttl=settings.access_token_ttl,
        refresh_retry_window=settings.refresh_retry_window,
        refresh_idle_ttl=settings.refresh_idle_ttl,
        refresh_absolute_ttl=settings.refresh_absolute_ttl,
        max_authorizations=settings.max_authorizations,
        code_ttl=settings.code_ttl,
        code_retry_window=settings.code_retry_window,
        device_code_ttl=settings.device_code_ttl,
        session_idle_ttl=settings.session_idle_ttl,
        session_ttl=settings.session_ttl,
        max_sessions=settings.max_sessions,
    )


def account_attempts_key(settings: Settings, connection: Connection, account: str, now: int) -> bytes:
    """Return the key of the row that counts the attempts at an account. Raises Misconfigured if no key-encryption key
    unwraps the refresh-token key that it is derived from."""
    _, secret = newest_refresh_key(settings, connection, now)
    return attempt_keys(secret, account, "").account


def newest_refresh_key(settings: Settings, connection: Connection, now: int) -> tuple[str, bytes]:
    """Return the id and the secret of the refresh-token key for new authorizations. Raises Misconfigured if no
    key-encryption key unwraps it."""
    newest = refresh_key_schedule.newest(signing_keys.load(connection).refresh_keys, now)
    return newest.id, open_key_encryption_keys(settings).unwrap(newest.id, newest.wrapped)


def account_policy(settings: Settings) -> AccountPolicy:
    return AccountPolicy(profile.claims_in(settings.profile_claims), settings.deletion_grace)


def attempt_limits(settings: Settings) -> AttemptLimits:
    return AttemptLimits(account=daily(settings.account_attempts), network=daily(settings.network_attempts))


def wrong_secrets(settings: Settings) -> NetworkLimit:
    return NetworkLimit(hourly(settings.client_secret_attempts))


def interactions(settings: Settings) -> NetworkLimit:
    return NetworkLimit(at_once(settings.interaction_limit, 60 * SECOND))

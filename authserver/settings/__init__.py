"""Every setting, with its type, a safe default and one line of help. Only `sources` reads the environment.

Not pydantic-settings: it does not tell which source a value came from or which names it ignored, and every error here
names both. It would save ten lines of `sources`, and cost each command 0.06 s of CPU (importing this would take 0.27 s,
not 0.21)."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypedDict, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from ..domain import profile
from ..domain.errors import Misconfigured
from ..domain.key_schedule import KeyPolicy
from ..domain.mail import Mailbox, MailFolder, SmtpServer, destination, mailbox
from ..domain.models import Policy
from ..domain.outgoing import allow_list, url_fault
from . import sources, values
from .values import InvalidSetting

_DAY = 86400
_POLICY, _KEY_POLICY = Policy(), KeyPolicy()  # their defaults: domain/models/client.py, domain/key_schedule.py
_DATABASE = SecretStr("sqlite:///authserver.db")


class _Conflicts(ValueError):
    """Settings that are valid one by one but not together."""

    def __init__(self, refused: list[InvalidSetting]) -> None:
        super().__init__("; ".join(map(str, refused)))
        self.refused = refused


def _about(text: str, allowed: str, example: str | None = None) -> Any:
    return Field(description=text, json_schema_extra={"allowed": allowed, "example": example})


def _whole(text: str, low: int, high: int, unit: str = "seconds") -> Any:
    extra: dict[str, Any] = {"allowed": f"a whole number of {unit} from {low} to {high}", "example": None}
    return Field(ge=low, le=high, description=text, json_schema_extra=extra)


_ISSUER_HELP = _about(
    "URL of this server as its clients see it, the `iss` of every token",
    "an https URL (http for 127.0.0.0/8, ::1 and localhost only) without query, fragment, user or slash at the end",
)
_URL_HELP = _about(
    "database: a SQLite file, or PostgreSQL for several nodes",
    "sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE",
)
_PREPARED_HELP = _about(
    "whether to prepare statements: off works with every pooler; on saves PostgreSQL some parsing", "on or off"
)
_CONNECTIONS_HELP = _whole("PostgreSQL connections that one worker may hold", 2, 100, "connections")
_DIR_HELP = _about("folder of the key-encryption keys", "a path without control characters")
_KEYS_HELP = _about(
    "key-encryption keys, instead of the folder: base64url, comma-separated, newest first; the newest encrypts",
    "keys of 43 characters, separated by commas; to make one: openssl rand -base64 32 | tr +/ -_",
    "NEWEST_KEY,OLDER_KEY",
)
_MODULE_HELP = _about(
    "PKCS #11 module of an HSM that generates new signing keys; without one, they are encrypted in the database",
    "a path without control characters",
    "/usr/lib/softhsm/libsofthsm2.so",
)
_TOKEN_HELP = _about("label of the HSM's token", "1 to 32 characters without control characters")
_PIN_HELP = _about("PIN of the HSM's token", "4 to 255 characters without control characters", "THE_PIN")
_API_HELP = _about("whether /api and its built-in client exist", "on or off")
_LEVEL_HELP = _about("lowest level of the messages that are logged", "debug, info, warning or error")
_QUEUE_HELP = _whole("password checks that may wait in each worker; further ones get status 503", 1, 65536, "checks")
_ACCOUNT_HELP = _whole(
    "wrong passwords a day for one account, from networks where its user has not signed in; 0 is no limit",
    0,
    1_000_000,
    "attempts",
)
_NETWORK_HELP = _whole(
    "wrong passwords and user codes a day from one network, for all accounts together; 0 is no limit",
    0,
    1_000_000,
    "attempts",
)
_CLIENT_SECRET_HELP = _whole(
    "wrong client secrets an hour from one network, in each worker; 0 is no limit", 0, 1_000_000, "attempts"
)
_INTERACTION_HELP = _whole(
    "sign-ins a minute that one network may begin, in each worker; 0 is no limit",
    0,
    1_000_000,
    "sign-ins",
)
_LENGTH_HELP = _whole("minimum number of characters in a new password", 8, 64, "characters")
_PROXIES_HELP = _about(
    "proxies whose X-Forwarded-For or Forwarded is trusted: addresses and networks, separated by commas",
    "addresses, networks and the word unix (for peers on a Unix-domain socket), separated by commas",
    "127.0.0.1,10.0.0.0/8",
)
_KEEP_HELP = _whole(
    "seconds for which an idle connection stays open; make it longer than in your load balancer", 1, 3600
)
_OPEN_HELP = _whole(
    "open connections per worker; above that, the one idle longest is closed", 10, 65_536, "connections"
)
_HOOK_HELP = _about(
    "function that adds claims from elsewhere to access tokens",
    "module:function, two Python names separated by a colon",
    "my_claims:claims_of",
)
_MANAGEMENT_HELP = _about(
    "address that serves /metrics and /health/* to Prometheus and health checks, and to anyone who can reach it",
    "an IP address or localhost, and a port from 1 to 65535, or unix: and the path of a Unix socket",
    "127.0.0.1:9100",
)
_TRACING_HELP = _about(
    "whether to trace requests with OpenTelemetry (extra otel), which the OTEL_* variables configure", "on or off"
)
_PAGES_HELP = _about(
    "folder of your own templates for pages and emails; its subfolder `static` has your style sheet and logos",
    "a path without control characters",
    "pages",
)
_WEBHOOK_HELP = _about(
    "URL to which each event of the audit trail is posted",
    "an https URL (http for hosts in AUTHSERVER_FETCH_ALLOW)",
    "https://hooks.example.com/authserver",
)
_WEBHOOK_SECRET_HELP = _about(
    "secret that signs what is posted to AUTHSERVER_AUDIT_WEBHOOK",
    "whsec_ and 24 to 64 bytes in base64; to make one: echo whsec_$(openssl rand -base64 32)",
    values.WEBHOOK_SECRET,
)
_AUDIT_HOOK_HELP = _about(
    "function that is called with each event of the audit trail",
    "module:function, two Python names separated by a colon",
    "my_audit:on_event",
)
_FETCH_HELP = _about(
    "hosts in your own network to which the server may send requests: names, addresses and networks",
    "host names, addresses and networks, separated by commas",
    "hooks.internal,10.20.0.0/16",
)
_SMTP_HELP = _about(
    "mail server, or in development a folder in which each email becomes a file; without it, no email is sent",
    "smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST (with STARTTLS) or file:FOLDER",
    values.SMTP_URL,
)
_MAIL_FROM_HELP = _about("sender of emails", "an address, or a name and an address in angle brackets", values.MAIL_FROM)
_SIGN_UP_HELP = _about(
    "whether anyone may create an account; with a mail server, only for an address whose mail they read", "on or off"
)
_MAX_HELP = _whole(
    "active authorizations of one user and client; above that, the one idle longest ends", 1, 10_000, "authorizations"
)
_GRACE_HELP = _whole("seconds between a user's request to delete their account and its deletion", 0, 365 * _DAY)
_PROFILE_HELP = _about(
    "claims about themselves that people may edit; `none` if they may edit nothing",
    "names of claims, separated by commas, or none",
    ",".join(profile.DEFAULT),
)
_MAX_SESSIONS_HELP = _whole(
    "browsers in which one user may be signed in; above that, the one idle longest is signed out",
    1,
    10_000,
    "browsers",
)


class Settings(BaseModel):
    """The settings, frozen and picklable. `load` reads them; the constructor takes its arguments and reads nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    issuer: Annotated[str, _ISSUER_HELP, AfterValidator(values.check_issuer)] = values.DEFAULT_ISSUER
    database_url: Annotated[SecretStr, _URL_HELP, AfterValidator(values.check_database_url)] = _DATABASE
    database_connections: Annotated[int, _CONNECTIONS_HELP] = 5
    database_prepared_statements: Annotated[Literal["on", "off"], _PREPARED_HELP] = "off"
    keys_dir: Annotated[Path, _DIR_HELP, AfterValidator(values.path_check("keys_dir", "keys"))] = Path("keys")
    key_encryption_key: Annotated[SecretStr | None, _KEYS_HELP, AfterValidator(values.check_keys)] = None
    pkcs11_module: Annotated[
        Path | None,
        _MODULE_HELP,
        AfterValidator(values.path_check("pkcs11_module", "/usr/lib/softhsm/libsofthsm2.so")),
    ] = None
    pkcs11_token: Annotated[str, _TOKEN_HELP, AfterValidator(values.check_label)] = "authserver"  # noqa: S105
    pkcs11_pin: Annotated[SecretStr | None, _PIN_HELP, AfterValidator(values.check_pin)] = None
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _LEVEL_HELP] = "info"
    password_queue: Annotated[int, _QUEUE_HELP] = 128
    account_attempts: Annotated[int, _ACCOUNT_HELP] = 200
    network_attempts: Annotated[int, _NETWORK_HELP] = 3000
    client_secret_attempts: Annotated[int, _CLIENT_SECRET_HELP] = 1000
    interaction_limit: Annotated[int, _INTERACTION_HELP] = 60
    password_min_length: Annotated[int, _LENGTH_HELP] = 8
    access_token_ttl: Annotated[int, _whole("seconds for which an access token is valid", 1, _DAY)] = (
        _POLICY.access_token_ttl
    )
    refresh_retry_window: Annotated[int, _whole("seconds in which a refresh may be retried; 0 is never", 0, 300)] = (
        _POLICY.refresh_retry_window
    )
    refresh_idle_ttl: Annotated[
        int, _whole("seconds without a refresh after which an authorization ends", 1, 3650 * _DAY)
    ] = _POLICY.refresh_idle_ttl
    refresh_absolute_ttl: Annotated[
        int, _whole("seconds after which an authorization ends, even if it is used", 1, 3650 * _DAY)
    ] = _POLICY.refresh_absolute_ttl
    session_idle_ttl: Annotated[
        int, _whole("seconds after which a browser that is not used is signed out", 60, 3650 * _DAY)
    ] = _POLICY.session_idle_ttl
    session_ttl: Annotated[
        int, _whole("seconds after which a browser is signed out, even if it is used", 60, 3650 * _DAY)
    ] = _POLICY.session_ttl
    max_sessions: Annotated[int, _MAX_SESSIONS_HELP] = _POLICY.max_sessions
    deletion_grace: Annotated[int, _GRACE_HELP] = 14 * _DAY
    profile_claims: Annotated[str, _PROFILE_HELP, AfterValidator(values.check_profile_claims)] = ",".join(
        profile.DEFAULT
    )
    code_ttl: Annotated[int, _whole("seconds for which an authorization code is valid", 1, 600)] = _POLICY.code_ttl
    code_retry_window: Annotated[
        int, _whole("seconds in which a client may send a used code again without ending its tokens", 0, 60)
    ] = _POLICY.code_retry_window
    device_code_ttl: Annotated[int, _whole("seconds for which a device waits for its user to sign in", 60, 1800)] = (
        _POLICY.device_code_ttl
    )
    jwks_max_age: Annotated[int, _whole("seconds for which verifiers may cache the JWKS", 0, _DAY)] = (
        _KEY_POLICY.jwks_max_age
    )
    key_lead_time: Annotated[int, _whole("seconds for which a key is published before it signs", 0, 365 * _DAY)] = (
        _KEY_POLICY.lead_time
    )
    key_rotation_period: Annotated[int, _whole("seconds for which a signing key signs", 1, 3650 * _DAY)] = (
        _KEY_POLICY.rotation_period
    )
    max_authorizations: Annotated[int, _MAX_HELP] = _POLICY.max_authorizations
    audit_retention: Annotated[
        int, _whole("seconds for which the audit trail keeps an event; 0 is for ever", 0, 36500 * _DAY)
    ] = 90 * _DAY
    audit_webhook: Annotated[str | None, _WEBHOOK_HELP] = None
    audit_webhook_secret: Annotated[
        SecretStr | None, _WEBHOOK_SECRET_HELP, AfterValidator(values.check_webhook_secret)
    ] = None
    audit_hook: Annotated[
        str | None, _AUDIT_HOOK_HELP, AfterValidator(values.hook_check("audit_hook", "my_audit:on_event"))
    ] = None
    fetch_allow: Annotated[str | None, _FETCH_HELP, AfterValidator(values.check_fetch_allow)] = None
    smtp_url: Annotated[SecretStr | None, _SMTP_HELP, AfterValidator(values.check_smtp_url)] = None
    mail_from: Annotated[str | None, _MAIL_FROM_HELP, AfterValidator(values.check_mail_from)] = None
    trusted_proxies: Annotated[str | None, _PROXIES_HELP, AfterValidator(values.check_proxies)] = None
    keep_alive: Annotated[int, _KEEP_HELP] = 75
    max_connections: Annotated[int, _OPEN_HELP] = 1000
    claims_hook: Annotated[
        str | None, _HOOK_HELP, AfterValidator(values.hook_check("claims_hook", "my_claims:claims_of"))
    ] = None
    claims_hook_timeout: Annotated[int, _whole("seconds that the claims hook may take", 1, 30)] = 2
    management_address: Annotated[str | None, _MANAGEMENT_HELP, AfterValidator(values.check_management)] = None
    tracing: Annotated[Literal["on", "off"], _TRACING_HELP] = "off"
    pages_dir: Annotated[Path | None, _PAGES_HELP, AfterValidator(values.path_check("pages_dir", "pages"))] = None
    sign_up: Annotated[Literal["on", "off"], _SIGN_UP_HELP] = "off"
    first_party_api: Annotated[Literal["on", "off"], _API_HELP] = "on"

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("*", mode="before")
    @classmethod
    def _is_plain(cls, value: Any) -> Any:
        # TOML's true and 1.0 are not whole numbers, and an empty variable is usually a mistake.
        if isinstance(value, bool | float) or value == "":
            raise ValueError("is not a plain value")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if conflicts := _conflicts(self):
            raise _Conflicts(conflicts)
        return self

    def key_encryption_keys(self) -> tuple[bytes, ...]:
        """Return the keys in this setting, newest first; none if they are in the folder."""
        return values.decoded(self.key_encryption_key) if self.key_encryption_key else ()

    def mail_destination(self) -> SmtpServer | MailFolder | None:
        """Return where mails go; None if there are none."""
        return destination(self.smtp_url.get_secret_value()) if self.smtp_url else None

    def mail_sender(self) -> Mailbox:
        """Return the sender of mails. In development, nobody needs to configure one."""
        return mailbox(self.mail_from or "authserver@localhost")

    def warnings(self) -> list[str]:
        """Return warnings to print at startup, about settings that do not prevent it."""
        minimum = _minimum_lead_time(self)
        if self.key_lead_time >= minimum:
            return []
        short = f"AUTHSERVER_KEY_LEAD_TIME={self.key_lead_time} is for tests only: below {minimum} seconds"
        return [f"{short} verifiers receive tokens whose key they have not fetched yet"]

    def digests(self) -> dict[str, str]:
        """Return a digest of each setting's value, by the variable's name. Of a secret, it only says whether it is set:
        a short one could be guessed from its digest."""
        values = {name: getattr(self, name) for name in _FIELDS}
        texts = {name: str(value is not None) if name in _SECRETS else str(value) for name, value in values.items()}
        return {sources.variable(name): sha256(text.encode()).hexdigest()[:16] for name, text in texts.items()}

    def describe(self) -> list["Row"]:
        """Return every setting with its current value; secrets are masked."""
        return [
            Row(
                name=name,
                variable=sources.variable(name),
                default=_shown(name, field.default),
                help=str(field.description),
                value=_shown(name, getattr(self, name)),
                source=self._origins.get(name, sources.DEFAULT),
            )
            for name, field in _FIELDS.items()
        ]


class Row(TypedDict):
    """One setting as plain values, for JSON and tables."""

    name: str
    variable: str
    default: str | int | None
    help: str
    value: str | int | None
    source: str


_FIELDS: dict[str, FieldInfo] = Settings.model_fields
_SECRETS = frozenset(name for name, field in _FIELDS.items() if field.annotation in (SecretStr, SecretStr | None))


def load(**flags: Any) -> Settings:
    """Load the settings, each from the first source that has it: flags (None means not given), the environment, .env,
    authserver.toml, its default. Raises Misconfigured, naming everything that is wrong."""
    examples = {name: _example(name) for name in _FIELDS}
    origins, problems = sources.read(flags, sources.Names(examples, _SECRETS))
    given = {name: item.value for name, item in origins.items()}
    problems += [_message(refused, origins.get(refused.name)) for refused in _refusals(given)]
    if problems:
        raise Misconfigured("\n".join(problems))
    settings = Settings(**given)
    settings._origins.update((name, str(item)) for name, item in origins.items())
    return settings


def _minimum_lead_time(settings: Settings) -> int:
    return max(2 * settings.jwks_max_age, 900)


def _conflicts(settings: Settings) -> list[InvalidSetting]:
    minimum, lead = _minimum_lead_time(settings), settings.key_lead_time
    conflicts = []
    if lead < minimum and settings.issuer.startswith("https:"):
        fault = f"is shorter than {minimum}, the larger of 900 and 2 x AUTHSERVER_JWKS_MAX_AGE, with an https issuer"
        suggestion = max(minimum, min(_DAY, settings.key_rotation_period // 2))
        conflicts.append(InvalidSetting("key_lead_time", fault, suggestion, ("jwks_max_age", "issuer")))
        lead = minimum
    conflicts += _webhook_conflicts(settings)
    conflicts += _mail_conflicts(settings)
    if settings.key_rotation_period <= lead:
        fault = f"is not longer than AUTHSERVER_KEY_LEAD_TIME ({lead})"
        suggestion = max(90 * _DAY, 2 * lead)
        conflicts.append(
            InvalidSetting("key_rotation_period", fault, suggestion, ("key_lead_time", "jwks_max_age", "issuer"))
        )
    return conflicts


def _webhook_conflicts(settings: Settings) -> list[InvalidSetting]:
    if settings.audit_webhook is None:
        return []
    conflicts = []
    fault = url_fault(settings.audit_webhook, allow_list(settings.fetch_allow or ""))
    if fault is not None:
        suggestion = "https://hooks.example.com/authserver"
        conflicts.append(InvalidSetting("audit_webhook", fault, suggestion, ("fetch_allow",)))
    if settings.audit_webhook_secret is None:
        fault = "is missing, and AUTHSERVER_AUDIT_WEBHOOK is set"
        conflicts.append(InvalidSetting("audit_webhook_secret", fault, values.WEBHOOK_SECRET, ("audit_webhook",)))
    return conflicts


def _mail_conflicts(settings: Settings) -> list[InvalidSetting]:
    if settings.mail_from is not None or not isinstance(settings.mail_destination(), SmtpServer):
        return []
    fault = "is missing, and AUTHSERVER_SMTP_URL names a mail server"
    return [InvalidSetting("mail_from", fault, values.MAIL_FROM, ("smtp_url",))]


def _refusals(given: dict[str, Any]) -> list[InvalidSetting]:
    """Return everything that is wrong: first the invalid values, then conflicts between the valid ones."""
    try:
        Settings(**given)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    else:
        return []
    if not details[0]["loc"]:
        return cast("_Conflicts", details[0]["ctx"]["error"]).refused
    refused = [_refusal(str(detail["loc"][0]), detail.get("ctx", {}).get("error")) for detail in details]
    bad = {item.name for item in refused}
    others = _refusals({name: value for name, value in given.items() if name not in bad})
    return refused + [item for item in others if not bad.intersection((item.name, *item.involved))]


def _refusal(name: str, error: object) -> InvalidSetting:
    return error if isinstance(error, InvalidSetting) else InvalidSetting(name, "is not allowed", _example(name))


def _message(refused: InvalidSetting, source: sources.SourcedValue | None) -> str:
    name, origin = refused.name, source or sources.SourcedValue(sources.DEFAULT, _FIELDS[refused.name].default)
    value = "" if name in _SECRETS else f" {_brief(origin.value)}"
    where = f"{sources.variable(name)}{'_FILE' if origin.file else ''} ({origin})"
    suggestion = refused.suggestion if origin.file else sources.line(origin.source, name, refused.suggestion)
    write = "Write into that file" if origin.file else "Write"
    return f"{where}: the value{value} {refused.fault}; allowed: {_extra(name)['allowed']}. {write}:\n{suggestion}"


def _brief(value: object) -> str:
    """Return a value for a message: shortened, and without the user and password of a URL."""
    if not isinstance(value, str | int | float | Path):
        return f"({type(value).__name__})"
    text = re.sub(r"//.*@", "//***@", str(value), flags=re.DOTALL)
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


def _shown(name: str, value: object) -> str | int | None:
    if isinstance(value, SecretStr):
        return values.masked_url(value.get_secret_value()) if name == "database_url" else "***"
    return value if isinstance(value, int) or value is None else str(value)


def _extra(name: str) -> dict[str, Any]:
    return cast("dict[str, Any]", _FIELDS[name].json_schema_extra)


def _example(name: str) -> str | int:
    """Return the default, or an example if there is none."""
    default = _shown(name, _FIELDS[name].default)
    return _extra(name)["example"] if default is None else default

"""Checks values of settings, such as the issuer, database URL, keys and paths, and suggests valid ones. No I/O."""

import re
from collections.abc import Callable
from ipaddress import IPv6Address
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from ..domain import key_rules, profile, webhook_signature
from ..domain.forwarded import trusted_proxies
from ..domain.hosts import address_of, is_canonical, is_loopback
from ..domain.mail import destination, mailbox
from ..domain.outgoing import allow_list

WEBHOOK_SECRET = "whsec_RANDOM_BYTES_IN_BASE64"  # noqa: S105 - an example
SMTP_URL = "smtps://USER:PASSWORD@smtp.example.com"
MAIL_FROM = "Example <no-reply@example.com>"
DEFAULT_ISSUER = "http://127.0.0.1:8000"


class InvalidSetting(ValueError):
    """One setting's value is not valid. `suggestion` is a valid value; `involved` are other settings that matter."""

    def __init__(self, name: str, fault: str, suggestion: str | int, involved: tuple[str, ...] = ()) -> None:
        super().__init__(f"{name} {fault}")
        self.name, self.fault, self.suggestion, self.involved = name, fault, suggestion, involved


_ISSUER_FAULTS = (
    (r"[^\x21-\x7e]", "has a space, a control character or a character outside ASCII"),
    (r"^(?!https?://)(?i:https?)://|^[^/]*//[^/]*[A-Z]", "has a capital letter in scheme or host"),
    (r"^(?!https?://)", "does not begin with https:// or http://"),
    (r"\?", "has a query"),
    (r"#", "has a fragment"),
    (r"@", "has user information"),
    (r"/$", "ends with a slash"),
    (r"/\.{1,2}(/|$)", "has a dot segment in its path"),
    (r"^https://[^/]*:443(/|$)|^http://[^/]*:80(/|$)", "names the default port of its scheme"),
)
_ISSUER_FORM = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?((?:/[A-Za-z0-9._~-]+)*)")


def issuer_fault(issuer: str) -> str | None:
    """Return why this is not a valid issuer; None if it is. Verifiers compare issuers byte for byte, so only one form
    is allowed."""
    for pattern, fault in _ISSUER_FAULTS:
        if re.search(pattern, issuer):
            return fault
    form = _ISSUER_FORM.fullmatch(issuer)
    if form is None or int(form[3] or 1) > 65535:
        return "is not a scheme and a host, with an optional port and plain path"
    if not is_canonical(form[2]):
        return "has a host that is neither a DNS name nor an IP address in canonical form"
    return (
        "is http, not https, on a host that is not loopback" if form[1] == "http" and not is_loopback(form[2]) else None
    )


def suggested_issuer(issuer: str) -> str:
    """Return the issuer that was probably meant, or otherwise the default."""
    bare = issuer.strip()
    try:
        parts = urlsplit(bare if "://" in bare else f"https://{bare}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return DEFAULT_ISSUER
    address = address_of(host)
    if address is not None and address.is_unspecified:  # an address to listen on, not one to connect to
        host = "127.0.0.1"
    elif isinstance(address, IPv6Address):
        host = f"[{address}]"
    plain = is_loopback(host) and not bare.lower().startswith("https://")
    usual = {80 if parts.scheme == "http" else 443, 80 if plain else 443}
    path = re.sub("/+", "/", parts.path).rstrip("/")
    suggestion = f"{'http' if plain else 'https'}://{host}{f':{port}' if port and port not in usual else ''}{path}"
    return DEFAULT_ISSUER if issuer_fault(suggestion) else suggestion


def check_issuer(issuer: str) -> str:
    fault = issuer_fault(issuer)
    if fault:
        raise InvalidSetting("issuer", fault, suggested_issuer(issuer))
    return issuer


_SQLITE = re.compile(r"sqlite:///[^\x00-\x1f]+")
_POSTGRESQL = re.compile(
    r"postgresql\+psycopg://([^:/@\s]*(:[^@\s]*)?@)?(\[[0-9A-Fa-f:.]+\]|[^:/@?\s]*)(:\d{1,5})?(/[^@?\s]*)?(\?\S*)?"
)


def check_database_url(url: SecretStr) -> SecretStr:
    value = url.get_secret_value()
    if _SQLITE.fullmatch(value) or _POSTGRESQL.fullmatch(value):
        return url
    if value.startswith("postgres"):
        fault = "is not a PostgreSQL URL for psycopg (percent-encode @ and the like in the password)"
        raise InvalidSetting("database_url", fault, "postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE")
    raise InvalidSetting("database_url", "is not a database URL that is supported", "sqlite:///authserver.db")


def masked_url(url: str) -> str:
    """Return the URL without its passwords. The query is masked first, so that an @ in it cannot end the other mask too
    early."""
    query = re.sub(r"([?&][^=&]*pass[^=&]*=)[^&]*", r"\1***", url, flags=re.IGNORECASE)
    return re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", query, flags=re.DOTALL)


def decoded(keys: SecretStr) -> tuple[bytes, ...]:
    """Return the keys, newest first as they are written; none if one of them is malformed."""
    texts = [key.strip().removesuffix("=") for key in keys.get_secret_value().split(",")]
    try:
        return tuple(key_rules.key_encryption_key(text) for text in texts)
    except ValueError:
        return ()


def check_keys(keys: SecretStr | None) -> SecretStr | None:
    if keys is not None and not decoded(keys):
        raise InvalidSetting("key_encryption_key", "is not made of base64url keys of 32 bytes", "NEWEST_KEY,OLDER_KEY")
    return keys


AnyPath = TypeVar("AnyPath", Path, Path | None)


def path_check(name: str, example: str) -> Callable[[AnyPath], AnyPath]:
    """Return the check of a setting that is a path."""

    def check(path: AnyPath) -> AnyPath:
        if path is not None and re.search(r"[\x00-\x1f]", str(path)):
            raise InvalidSetting(name, "has a control character", example)
        return path

    return check


def check_label(label: str) -> str:
    # PKCS #11 v2.40 s3.2: a token's label is a field of 32 characters.
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,32}", label):
        raise InvalidSetting("pkcs11_token", "is not a label", "authserver")
    return label


def check_pin(pin: SecretStr | None) -> SecretStr | None:
    if pin is not None and not re.fullmatch(r"[^\x00-\x1f\x7f]{4,255}", pin.get_secret_value()):
        raise InvalidSetting("pkcs11_pin", "is not a PIN", "THE_PIN")
    return pin


_HOOK = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)


def hook_check(name: str, example: str) -> Callable[[str | None], str | None]:
    """Return the check of a setting that names a function."""

    def check(reference: str | None) -> str | None:
        if reference is not None and not _HOOK.fullmatch(reference):
            raise InvalidSetting(name, "does not name a function in a module", example)
        return reference

    return check


_MANAGEMENT = re.compile(r"unix:[^\x00-\x1f]+|(localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):([1-9][0-9]{0,4})")


def check_management(address: str | None) -> str | None:
    if address is None:
        return None
    form = _MANAGEMENT.fullmatch(address)
    host, port = (form[1], form[2]) if form else ("", "")
    if form is None or int(port or 1) > 65535 or (host not in (None, "localhost") and address_of(host) is None):
        raise InvalidSetting("management_address", "is not an address with a port", "127.0.0.1:9100")
    return address


def check_proxies(proxies: str | None) -> str | None:
    try:
        trusted_proxies(proxies or "")
    except ValueError as error:
        raise InvalidSetting("trusted_proxies", str(error), "127.0.0.1,10.0.0.0/8") from None
    return proxies


def check_fetch_allow(text: str | None) -> str | None:
    try:
        allow_list(text or "")
    except ValueError as error:
        raise InvalidSetting("fetch_allow", str(error), "hooks.internal,10.20.0.0/16") from None
    return text


def check_profile_claims(text: str) -> str:
    try:
        profile.claims_in(text)
    except ValueError as error:
        raise InvalidSetting("profile_claims", str(error), ",".join(profile.DEFAULT)) from None
    return text


def check_webhook_secret(secret: SecretStr | None) -> SecretStr | None:
    try:
        if secret is not None:
            webhook_signature.key_of(secret.get_secret_value())
    except ValueError:
        raise InvalidSetting("audit_webhook_secret", "is not a secret of this form", WEBHOOK_SECRET) from None
    return secret


def check_smtp_url(url: SecretStr | None) -> SecretStr | None:
    try:
        if url is not None:
            destination(url.get_secret_value())
    except ValueError as error:
        raise InvalidSetting("smtp_url", str(error), SMTP_URL) from None
    return url


def check_mail_from(text: str | None) -> str | None:
    try:
        if text is not None:
            mailbox(text)
    except ValueError as error:
        raise InvalidSetting("mail_from", str(error), MAIL_FROM) from None
    return text

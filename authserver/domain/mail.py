"""Mails: where they are handed over, and the message in the outbox that becomes one."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from . import email_address
from .hosts import is_canonical, is_loopback
from .models import User
from .outbox import MAIL, NewMessage

_FORM = "is not smtps://USER:PASSWORD@HOST, smtp://USER:PASSWORD@HOST or file:FOLDER"
_WITH_NAME = re.compile(r'([^\x00-\x1f\x7f<>"]{1,100}) <([^<>]+)>')


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    tls: Literal["implicit", "starttls", "off"]
    username: str = ""
    """Empty if the server asks for none."""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder in which each mail becomes a file, for development."""

    path: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, and the name that is shown with it, which may be empty."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2].lower()


def new_mail(template: str, address: str, language: str, *, user_id: str | None = None, **values: Any) -> NewMessage:
    """Return the message in the outbox that becomes a mail. `values` are ids and plain facts from which its text is
    made when it is sent; none may be secret."""
    content = {"template": template, "address": address, "language": language, "values": values}
    return NewMessage(MAIL, Mailbox(address).domain, content, user_id=user_id)


def notices(template: str, user: User, language: str, **values: Any) -> list[NewMessage]:
    """Return the mail to the verified address of a user, who was loaded with their claims; none if there is no such
    address. `values` are those of the template besides the username."""
    address = email_address.verified_in(user.claims or {})
    if not address:
        return []
    return [new_mail(template, address, language, user_id=user.id, username=user.username, **values)]


def destination(url: str) -> SmtpServer | MailFolder:
    """Parse the URL of a mail server or of a folder. Raises ValueError, saying what is wrong, without the password."""
    parts = _parts(url)
    if parts.scheme == "file":
        return _folder(parts)
    if parts.scheme not in ("smtps", "smtp") or parts.fragment or parts.path not in ("", "/"):
        raise ValueError(_FORM)
    tls = _tls(parts)
    host, port = _host_and_port(parts, 465 if tls == "implicit" else 587)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise ValueError("has a user or a password without the other")
    if password and tls == "off" and not is_loopback(host):
        raise ValueError("would send the password without TLS")
    return SmtpServer(host, port, tls, username, password)


def mailbox(text: str) -> Mailbox:
    """Parse `login@example.com` or `Example <login@example.com>`. Raises ValueError."""
    form = _WITH_NAME.fullmatch(text)
    name, address = form.groups() if form else ("", text)
    if not is_address(address):
        raise ValueError("is not an address, or a name and an address in angle brackets")
    return Mailbox(address, name.strip())


def is_address(text: str) -> bool:
    """Whether this can be the recipient of a mail: one address, without anything that ends a line or a list."""
    return email_address.canonical(text) is not None


def _parts(url: str) -> SplitResult:
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("has a space or a control character")
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(_FORM) from None


def _folder(parts: SplitResult) -> MailFolder:
    if parts.netloc or not parts.path or parts.query or parts.fragment:
        raise ValueError("is not file: and the path of a folder, such as file:mails or file:///var/mails")
    return MailFolder(unquote(parts.path))


def _tls(parts: SplitResult) -> Literal["implicit", "starttls", "off"]:
    match parts.scheme, parts.query:
        case "smtps", "":
            return "implicit"
        case "smtp", "" | "starttls=required":
            return "starttls"
        case "smtp", "starttls=off":
            return "off"
        case _:
            raise ValueError("has a query, other than ?starttls=required or ?starttls=off with smtp://")


def _host_and_port(parts: SplitResult, usual: int) -> tuple[str, int]:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("has a port that is not a number up to 65535") from None
    if not is_canonical(f"[{host}]" if ":" in host else host) or port == 0:
        raise ValueError("has no host in lower case, or the port 0")
    return host, port or usual

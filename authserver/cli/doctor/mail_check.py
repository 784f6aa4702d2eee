"""Checks that mails can be sent, and that the messages in the outbox arrive."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from ...domain.hosts import is_loopback
from ...domain.mail import MailFolder, SmtpServer
from ...domain.models import SECOND
from ...domain.times import counted, span
from ...outbox import NotSent
from ...provisioning import open_mail_transport
from ...settings import Settings
from ...store.outbox import Waiting
from .finding import ERROR, INFO, OK, WARNING, Finding, or_ok

CHECK, OUTBOX = "mail", "outbox"
_SET = "To send email, set AUTHSERVER_SMTP_URL and AUTHSERVER_MAIL_FROM."


def check(settings: Settings, *, offline: bool) -> Finding:
    match settings.mail_destination():
        case None:
            return Finding(CHECK, INFO, f"No email is sent: AUTHSERVER_SMTP_URL is not set. {_without(settings)}", _SET)
        case MailFolder(path):
            level = INFO if is_loopback(urlsplit(settings.issuer).hostname or "") else WARNING
            return Finding(CHECK, level, f"No email is sent: each becomes a file in {path}.", _SET)
        case SmtpServer() as server:
            return _finding(settings, server, offline=offline)


def check_outbox(waiting: Sequence[Waiting], now: int) -> list[Finding]:
    """`now` is in microseconds."""
    return or_ok(OUTBOX, _failing(waiting, now), "No message in the outbox has failed.")


def _without(settings: Settings) -> str:
    """Return what people cannot do without mail."""
    reset = "People who forget their password need authserver user reset-link."
    notices = (
        " At /sign-up they choose a username, which tells them whether it is taken." if settings.sign_up == "on" else ""
    )
    return reset + notices


def _finding(settings: Settings, server: SmtpServer, *, offline: bool) -> Finding:
    transport = open_mail_transport(settings)
    if offline or transport is None:
        return Finding(CHECK, OK, f"Email is sent through {server}, which was not tested.")
    try:
        transport.check()
    except NotSent as error:
        fix = "Check AUTHSERVER_SMTP_URL, then run: authserver mail test ADDRESS"
        return Finding(CHECK, ERROR, f"Email is sent through {server}, but {str(error).rstrip('.')}.", fix)
    return Finding(CHECK, OK, f"The mail server {server} is ready.")


def _failing(waiting: Sequence[Waiting], now: int) -> Iterator[Finding]:
    for queue in waiting:
        count, wait = counted(queue.count, "message"), span(max(queue.next_at - now, SECOND))
        age, reason = span(now - queue.created_at), queue.reason.rstrip(".")  # some reasons are what a server says
        text = f"{count} for {queue.queue} failed, the oldest of them {age} old: {reason}."
        fix = f"The next attempt is in {wait}. To see each of them: authserver outbox list"
        yield Finding(OUTBOX, WARNING, text, fix)

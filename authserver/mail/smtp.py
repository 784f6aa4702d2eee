"""Hands emails to a mail server."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from smtplib import (
    SMTP,
    SMTP_SSL,
    SMTPDataError,
    SMTPException,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from ssl import SSLCertVerificationError, SSLContext, create_default_context
from threading import Timer

from ..domain.mail import SmtpServer
from ..outbox import NotSent

TIMEOUT = 30
"""Seconds for a whole email."""
_STEP = 10  # seconds that the server may take for one reply
_NO_STARTTLS = (
    "the mail server does not offer STARTTLS. In a network that you trust: ?starttls=off in AUTHSERVER_SMTP_URL"
)


class SmtpTransport:
    encoding = "quoted-printable"

    def __init__(self, server: SmtpServer, name: str, timeout: float = TIMEOUT) -> None:
        """`name` is this host's name, for the SMTP greeting. `timeout` is in seconds, for a whole email. For a private
        CA, set SSL_CERT_FILE."""
        self._server, self._name, self._timeout = server, name, timeout

    def __str__(self) -> str:
        return str(self._server)

    def deliver(self, mail: EmailMessage, recipient: str) -> None:
        """Hand over the email, on a connection of its own. Raises NotSent, which is permanent if the server permanently
        rejected the recipient or the email."""
        with _translated(), self._connected() as smtp:
            try:
                smtp.send_message(mail, to_addrs=[recipient])
            except SMTPRecipientsRefused as error:
                [(status, text)] = error.recipients.values()
                raise _refused("the recipient", status, text) from error
            except SMTPDataError as error:
                raise _refused("the mail", error.smtp_code, error.smtp_error) from error

    def check(self) -> None:
        """Connect and log in, without sending an email. Raises NotSent."""
        with _translated(), self._connected() as smtp:
            smtp.noop()

    @contextmanager
    def _connected(self) -> Iterator[SMTP]:
        server, context = self._server, create_default_context()
        wait = min(_STEP, self._timeout)
        if server.tls == "implicit":
            smtp: SMTP = SMTP_SSL(local_hostname=self._name, timeout=wait, context=context)
        else:
            smtp = SMTP(local_hostname=self._name, timeout=wait)
        vars(smtp)["_host"] = server.host  # which the certificate must name; connect() does not set it
        # A socket's timeout applies to one read; this ends the exchange with a server that sends a byte at a time.
        watchdog = Timer(self._timeout, _shut_down, (smtp,))
        watchdog.daemon = True
        watchdog.start()
        try:
            smtp.connect(server.host, server.port)
            if server.tls == "starttls":
                _starttls(smtp, context)
            if server.username:
                smtp.login(server.username, server.password)
            yield smtp
        finally:
            with suppress(SMTPException, OSError):
                smtp.quit()
            watchdog.cancel()
            smtp.close()


def _starttls(smtp: SMTP, context: SSLContext) -> None:
    try:
        smtp.starttls(context=context)
    except SMTPNotSupportedError as error:
        raise NotSent(_NO_STARTTLS) from error


def _shut_down(smtp: SMTP) -> None:
    with suppress(OSError, TypeError):  # already closed
        socket.socket.shutdown(smtp.sock, socket.SHUT_RDWR)  # type: ignore[arg-type] # not SSLSocket's: see fetch/exchange.py


@contextmanager
def _translated() -> Iterator[None]:
    """Raise every error as NotSent. Only the codes of the server's text are kept: it may repeat an address."""
    try:
        yield
    except SMTPResponseException as error:
        raise _refused(
            "the connection or the login", error.smtp_code, error.smtp_error, can_be_permanent=False
        ) from error
    except SMTPException as error:
        raise NotSent(f"the mail server broke off ({type(error).__name__})") from error
    except SSLCertVerificationError as error:
        raise NotSent(f"the mail server's certificate is not valid: {error.verify_message}") from error
    except OSError as error:
        raise NotSent(f"the mail server cannot be reached: {error.strerror or type(error).__name__}") from error


def _refused(what: str, status: int, text: bytes | str, *, can_be_permanent: bool = True) -> NotSent:
    """RFC 5321 s4.2.1: a status of 5xx is permanent. RFC 3463: the text may begin with a code that says more."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    code = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", words)
    detail = f"{status} {code[0]}" if code else str(status)
    return NotSent(
        f"the mail server refused {what} with status {detail}", is_permanent=can_be_permanent and status >= 500
    )

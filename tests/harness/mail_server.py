"""A mail server in a thread of this process, which keeps what it receives."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread
from typing import Any
from warnings import catch_warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "mailer", "canary/password"


@dataclass
class MailServer:
    port: int = 0
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answer: Callable[[str], str] = lambda recipient: "250 OK"
    """To a recipient."""
    answer_to_mail: str = "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        answer = self.answer(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, connection: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer_to_mail.startswith("2"):
            self.received.append(message_from_bytes(envelope.content, policy=default))
            self.recipients += envelope.rcpt_tos
            self.over_tls.append(connection.transport.get_extra_info("sslcontext") is not None)
        return self.answer_to_mail

    def log_in(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        self.logins.append(given.login.decode())
        is_right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)  # the server sends the answer


@contextmanager
def receiving_mail(certificate: Path | None = None, *, tls: str = "off", login: bool = False) -> Iterator[MailServer]:
    """A server on 127.0.0.1 with the `crt` and `key` in the folder; `tls` is `off`, `starttls` or `implicit`."""
    server, context = MailServer(), None
    if certificate is not None:
        context = SSLContext(PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "crt", certificate / "key")

    def session() -> SMTP:
        options: dict[str, Any] = {"hostname": "smtp.example", "ident": "test"}
        if tls == "starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if login:
            options |= {"authenticator": server.log_in, "auth_required": True, "auth_require_tls": tls == "starttls"}
        with catch_warnings(action="ignore"):  # of a login without STARTTLS: there is TLS from the beginning
            return SMTP(server, **options)

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # the client refused the certificate
    thread = Thread(target=loop.run_forever)
    thread.start()
    implicit = context if tls == "implicit" else None
    listening = asyncio.run_coroutine_threadsafe(
        loop.create_server(session, "127.0.0.1", 0, ssl=implicit), loop
    ).result()
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

"""Mails are handed over to a real mail server: with TLS, with a login, and with the right conclusions."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from authserver.domain.mail import Mailbox, destination
from authserver.domain.mail import SmtpServer as Server
from authserver.mail.composing import Text, compose
from authserver.mail.smtp import SmtpTransport
from authserver.outbox import NotSent
from tests.harness.constants import LONG
from tests.harness.mail_server import USER, MailServer, receiving_mail
from tests.harness.mails import text_of

SENDER = Mailbox("no-reply@example.com", "Example & Söhne")
TO = "ada@example.org"
LINK = f"https://login.example/reset?token={'x' * 200}"
TEXT = Text("Passwort zurücksetzen", f"Öffnen Sie\n\n{LINK}\n", f"<p><a href='{LINK}'>Öffnen</a></p>", "de")
QUOTED = "canary%2Fpassword"


def send(url: str, to: str = TO, timeout: float = LONG, text: Text = TEXT) -> None:
    server = destination(url)
    assert isinstance(server, Server)
    transport = SmtpTransport(server, "login.example", timeout)
    mail = compose(SENDER, to, text, id=7, created_at=1_800_000_000_000_000, encoding=transport.encoding)
    transport.deliver(mail, to)


def test_a_mail_arrives_with_its_headers_its_text_and_the_same_as_html() -> None:
    with receiving_mail() as server:
        send(f"smtp://127.0.0.1:{server.port}?starttls=off")
    [mail] = server.received
    assert server.recipients == [TO]
    assert str(mail["From"]) == "Example & Söhne <no-reply@example.com>"
    assert (mail["To"], mail["Subject"], mail["Content-Language"]) == (TO, TEXT.subject, "de")
    assert mail["Message-ID"] == "<1800000000000000.7@example.com>"
    assert (mail["Auto-Submitted"], mail["Date"]) == ("auto-generated", "Fri, 15 Jan 2027 08:00:00 +0000")
    assert text_of(mail).splitlines() == TEXT.plain.splitlines()
    assert LINK in text_of(mail, "html")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(("tls", "scheme"), [("starttls", "smtp"), ("implicit", "smtps")])
def test_a_login_is_sent_over_tls(trusted: Path, tls: str, scheme: str) -> None:
    with receiving_mail(trusted, tls=tls, login=True) as server:
        send(f"{scheme}://{USER}:{QUOTED}@localhost:{server.port}")
    assert server.over_tls == [True] and server.logins == [USER]


@pytest.mark.parametrize(("tls", "scheme"), [("starttls", "smtp"), ("implicit", "smtps")])
def test_a_certificate_that_is_not_trusted_or_of_another_host_is_refused(
    certificate: Path, tls: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving_mail(certificate, tls=tls) as server:
        assert "certificate is not valid" in failure(lambda: send(f"{scheme}://localhost:{server.port}"))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "crt"))
        assert "certificate is not valid" in failure(lambda: send(f"{scheme}://127.0.0.1:{server.port}"))
    assert server.received == []


def test_a_server_without_starttls_gets_no_mail_and_no_password() -> None:
    """As if somebody between had removed the offer."""
    with receiving_mail() as server:
        reason = failure(lambda: send(f"smtp://{USER}:{QUOTED}@127.0.0.1:{server.port}"))
    assert "does not offer STARTTLS" in reason and "?starttls=off" in reason
    assert server.received == [] and server.logins == []


def test_a_wrong_password_is_repeated_and_not_shown(trusted: Path) -> None:
    with receiving_mail(trusted, tls="starttls", login=True) as server:
        reason = failure(lambda: send(f"smtp://{USER}:canary@localhost:{server.port}"))
    assert reason == "the mail server refused the connection or the login with status 535 5.7.8"


@pytest.mark.parametrize(
    ("answer", "is_permanent", "detail"),
    [
        ("550 5.1.1 No such user ada@example.org", True, "550 5.1.1"),
        ("553 no", True, "553"),
        ("450 4.2.1 Try again later", False, "450 4.2.1"),
        ("421 closing", False, "421"),
    ],
)
def test_a_recipient_is_given_up_only_if_the_server_refused_it_for_good(
    answer: str, is_permanent: bool, detail: str
) -> None:
    with receiving_mail() as server:
        server.answer = lambda recipient: answer
        reason = failure(lambda: send(f"smtp://127.0.0.1:{server.port}?starttls=off"), is_permanent=is_permanent)
    assert reason == f"the mail server refused the recipient with status {detail}"


@pytest.mark.parametrize(("answer", "is_permanent"), [("554 5.7.1 spam", True), ("451 4.3.0 later", False)])
def test_a_mail_is_given_up_only_if_the_server_refused_it_for_good(answer: str, is_permanent: bool) -> None:
    with receiving_mail() as server:
        server.answer_to_mail = answer
        reason = failure(lambda: send(f"smtp://127.0.0.1:{server.port}?starttls=off"), is_permanent=is_permanent)
    assert reason == f"the mail server refused the mail with status {answer[:9]}"


def test_a_server_that_is_down_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    assert failure(lambda: send(f"smtp://127.0.0.1:{port}")) == "the mail server cannot be reached: Connection refused"


def test_a_name_without_an_address_is_tried_again() -> None:
    assert "cannot be reached" in failure(lambda: send("smtp://smtp.invalid"))


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-canary\r\n", b"554 5.3.2 canary\r\n", b"canary" * 2000])
def test_what_does_not_speak_smtp_is_tried_again(text: bytes) -> None:
    with answering(text) as port:
        assert "canary" not in failure(lambda: send(f"smtp://127.0.0.1:{port}"))


def test_a_server_that_sends_a_byte_at_a_time_is_left() -> None:
    def drip(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"220-")
            while connection.send(b"x"):
                pass

    with answering(drip) as port:
        assert "mail server" in failure(lambda: send(f"smtp://127.0.0.1:{port}", timeout=0.5))


@pytest.mark.parametrize("to", ["ada@example.org\r\nBcc: eve@example.org", "ada@example.org, eve@example.org"])
def test_a_recipient_that_is_not_one_address_is_given_up(to: str) -> None:
    assert failure(lambda: send("smtp://127.0.0.1:1", to), is_permanent=True) == "the recipient is not an address"


def test_a_line_break_in_the_subject_begins_no_header() -> None:
    injected = Text("Hello\r\nBcc: eve@example.org", "text\n", "<p>text</p>", "en")
    with receiving_mail() as server:
        send(f"smtp://127.0.0.1:{server.port}?starttls=off", text=injected)
    [mail] = server.received
    assert mail["Bcc"] is None and mail["Subject"] == "Hello Bcc: eve@example.org" and server.recipients == [TO]


def test_a_dot_alone_in_a_line_does_not_end_the_mail() -> None:
    text = Text("Hello", "one\n.\nMAIL FROM:<eve@example.org>\n", "<p>one</p>", "en")
    with receiving_mail() as server:
        send(f"smtp://127.0.0.1:{server.port}?starttls=off", text=text)
    [mail] = server.received
    assert text_of(mail).splitlines() == text.plain.splitlines()


def failure(send: Callable[[], None], *, is_permanent: bool = False) -> str:
    with pytest.raises(NotSent) as caught:
        send()
    assert caught.value.is_permanent is is_permanent
    return str(caught.value)


@contextmanager
def answering(answer: bytes | Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that answers one connection with these bytes, or as the function does."""

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer)
        except OSError:  # the client has gone
            pass
        finally:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_the_check_connects_and_logs_in_without_a_mail(trusted: Path) -> None:
    server: MailServer
    with receiving_mail(trusted, tls="implicit", login=True) as server:
        url = destination(f"smtps://{USER}:{QUOTED}@localhost:{server.port}")
        assert isinstance(url, Server)
        SmtpTransport(url, "login.example").check()
    assert server.logins == [USER] and server.received == []

"""Where mails go, and what an address is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.mail import Mailbox, MailFolder, SmtpServer, destination, is_address, mailbox, new_mail
from authserver.domain.outbox import MAIL

HOST = "smtp.example.com"


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        (f"smtps://{HOST}", SmtpServer(HOST, 465, "implicit")),
        (f"smtps://me:p%40ss@{HOST}:2465", SmtpServer(HOST, 2465, "implicit", "me", "p@ss")),
        (f"smtps://me%40example.com:secret@{HOST}", SmtpServer(HOST, 465, "implicit", "me@example.com", "secret")),
        (f"smtp://{HOST}", SmtpServer(HOST, 587, "starttls")),
        (f"smtp://me:secret@{HOST}:25?starttls=required", SmtpServer(HOST, 25, "starttls", "me", "secret")),
        ("smtp://relay:25/?starttls=off", SmtpServer("relay", 25, "off")),
        ("smtp://me:secret@127.0.0.1:25?starttls=off", SmtpServer("127.0.0.1", 25, "off", "me", "secret")),
        ("smtp://[::1]:25", SmtpServer("::1", 25, "starttls")),
        ("file:mails", MailFolder("mails")),
        ("file:///var/my%20mails", MailFolder("/var/my mails")),
    ],
)
def test_a_mail_server_or_a_folder_is_a_url(url: str, parsed: SmtpServer | MailFolder) -> None:
    assert destination(url) == parsed


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "is not smtps://"),
        (HOST, "is not smtps://"),
        ("https://canary:canary@smtp.example.com", "is not smtps://"),
        (f"smtps://canary@{HOST}", "without the other"),
        (f"smtps://:canary@{HOST}", "without the other"),
        (f"smtp://me:canary@{HOST}?starttls=off", "without TLS"),
        (f"smtp://{HOST}?starttls=canary", "has a query"),
        (f"smtps://{HOST}?starttls=off", "has a query"),
        (f"smtps://{HOST}/canary", "is not smtps://"),
        (f"smtps://{HOST}:canary", "has a port"),
        (f"smtps://{HOST}:70000", "has a port"),
        (f"smtps://{HOST}:0", "port 0"),
        ("smtps://me:canary@", "has no host"),
        ("smtps://127.1", "has no host"),
        ("smtps://[::1", "is not smtps://"),
        ("smtps://smtp.example.com\r\n", "control character"),
        ("file://canary/mails", "is not file:"),
        ("file:", "is not file:"),
    ],
)
def test_what_is_neither_is_refused_without_its_password(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refused:
        destination(url)
    assert "canary" not in str(refused.value)


def test_the_password_is_in_no_representation() -> None:
    assert "secret" not in repr(destination(f"smtps://me:secret@{HOST}"))


def test_a_sender_may_have_a_name() -> None:
    assert mailbox("login@example.com") == Mailbox("login@example.com")
    assert mailbox("Example & Söhne <login@Example.com>") == Mailbox("login@Example.com", "Example & Söhne")
    assert mailbox("login@Example.com").domain == "example.com"


NO_ADDRESSES = [
    *(
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada @example.com",
    ),
    *("ada@example.com,eve@example.com", "ada@example.com;eve", "<ada@example.com>", "a" * 65 + "@example.com"),
    *("ada@example.com\0", "ada@b@example.com", "ädä@example.com", '"ada"@example.com'),
]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_what_is_no_address_is_neither_a_recipient_nor_a_sender(text: str) -> None:
    assert not is_address(text)
    for sender in (text, f"Example <{text}>"):
        with pytest.raises(ValueError, match="is not an address"):
            mailbox(sender)


@given(st.text())
def test_an_address_has_nothing_that_ends_a_line_or_a_list(text: str) -> None:
    if is_address(text):
        assert text.isascii() and not set(text) & set("\r\n\0 ,;<>") and text.count("@") == 1


def test_the_queue_of_a_mail_is_its_domain() -> None:
    """So that what is wrong with one domain holds back no other, and the log has no address."""
    mail = new_mail("test", "Ada@Example.com", "de", user_id="u_ada", link_id="1")
    assert (mail.kind, mail.queue, mail.user_id) == (MAIL, "mail example.com", "u_ada")
    content = {"template": "test", "address": "Ada@Example.com", "language": "de", "values": {"link_id": "1"}}
    assert mail.content == content

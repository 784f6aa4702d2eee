"""authserver mail test."""

from email.message import EmailMessage

import click

from .. import system
from ..domain.errors import Misconfigured
from ..domain.languages import LANGUAGES
from ..domain.mail import is_address
from ..settings import Settings, load
from .common import fail

_NO_MAIL = """No email is sent, because AUTHSERVER_SMTP_URL is not set. Set it to your mail server, for example:

    AUTHSERVER_SMTP_URL=smtps://USER:PASSWORD@smtp.example.com"""


@click.group("mail")
def command() -> None:
    """Send a test email.

    \b
    Examples:
      authserver mail test you@example.com
      authserver mail test you@example.com --language de
    """


@command.command("test")
@click.argument("address")
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    default=next(iter(LANGUAGES)),
    show_default=True,
    help="The language of the email.",
)
def test(address: str, language: str) -> None:
    """Send a test email to ADDRESS immediately. If it fails, print the reason.

    \b
    Examples:
      authserver mail test you@example.com
      authserver mail test you@example.com --language de
    """
    from ..outbox import NotSent
    from ..provisioning import open_mail_transport

    settings = load()
    transport = open_mail_transport(settings)
    if transport is None:
        raise Misconfigured(_NO_MAIL)
    if not is_address(address):
        raise click.UsageError("ADDRESS is not a single email address in ASCII.")
    try:
        transport.deliver(_mail(settings, address, language, transport.encoding), address)
    except NotSent as error:
        raise fail(f"The email was not sent: {error}.") from error
    click.echo(f"The email was handed over to {transport}.", err=True)


def _mail(settings: Settings, address: str, language: str, encoding: str) -> EmailMessage:
    from ..mail.composing import compose
    from ..mail.templates import MailTemplates

    text = MailTemplates(settings.issuer, settings.pages_dir).render("test", language, {})
    sender, now = settings.mail_sender(), system.now()
    return compose(sender, address, text, id=0, created_at=now, encoding=encoding)

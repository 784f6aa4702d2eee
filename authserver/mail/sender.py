"""Sends the emails in the outbox."""

from collections.abc import Mapping
from typing import Any

from ..domain.errors import Unavailable
from ..domain.mail import Mailbox
from ..domain.outbox import Message
from ..outbox import NotSent
from ..pool import Pool
from .composing import compose
from .smtp import TIMEOUT
from .templates import MailTemplates
from .transport import Transport
from .values import Unneeded, Values

_THREADS = 4


class MailSender:
    limit = _THREADS

    def __init__(
        self, transport: Transport, sender: Mailbox, templates: MailTemplates, values: Mapping[str, Values]
    ) -> None:
        """`values` are those of each template."""
        self._transport, self._sender, self._templates, self._values = transport, sender, templates, values
        self._pool = Pool("mail server", _THREADS, queue=_THREADS, timeout=TIMEOUT + 5)

    async def send(self, message: Message) -> None:
        """Compose the email and hand it over, unless it is not needed. Raises NotSent."""
        content = message.content
        values = self._values.get(content["template"])
        if values is None:  # another version of this server wrote it
            raise NotSent(f"this version does not know the mail {content['template']}")
        try:
            given = await values(message, content["values"])
        except Unneeded:
            return
        text = self._templates.render(content["template"], content["language"], given)
        about: Any = {"id": message.id, "created_at": message.created_at, "encoding": self._transport.encoding}
        mail = compose(self._sender, content["address"], text, **about)
        try:
            await self._pool.run(self._transport.deliver, mail, content["address"])
        except Unavailable as error:
            raise NotSent(str(error)) from error

    def close(self) -> None:
        self._pool.close()

"""The sender of emails of a server that has no mail server."""

from ..domain.outbox import Message
from ..outbox import NotSent


class Unconfigured:
    """Every attempt fails, so that older emails are given up after a day."""

    limit = 1

    async def send(self, message: Message) -> None:
        raise NotSent("AUTHSERVER_SMTP_URL is not set")

    def close(self) -> None: ...

"""Mails that tell people what was done to their account, in case somebody else did it."""

from typing import Any

from ..domain import mail
from ..domain.models import User
from ..domain.outbox import NewMessage
from ..pipeline.handler import Services


def notices(services: Services, template: str, user: User, language: str, **values: Any) -> list[NewMessage]:
    """Return `domain.mail.notices`, and none if the server sends no mail."""
    return mail.notices(template, user, language, **values) if services.mail else []

"""Mails that tell people what was done with their account, in case somebody else did it."""

from typing import Any

from ..domain import email_address
from ..domain.mail import new_mail
from ..domain.models import User
from ..domain.outbox import NewMessage
from ..pipeline.handler import Services


def notices(services: Services, template: str, user: User, language: str, **values: Any) -> list[NewMessage]:
    """Return the mail to the verified address of a user, who was loaded with their claims; none if there is no such
    address, or no mail. `values` are those of the template beside the username."""
    address = email_address.verified_in(user.claims or {})
    if not address or not services.mail:
        return []
    return [new_mail(template, address, language, user_id=user.id, username=user.username, **values)]

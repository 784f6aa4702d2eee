"""The content of mails with links. It is made when they are sent, and the links are stored nowhere. Only here does the
server look up whether the address has an account."""

from collections.abc import Callable, Mapping
from typing import Any

from ..domain import links
from ..domain.errors import Unavailable
from ..domain.models import LinkKind, User
from ..domain.outbox import Message
from ..keyring import Keyring
from ..mail import Unneeded, Values
from ..outbox import NotSent
from ..store import links as stored_links
from ..store import users
from ..store.database import Database, Loader


class MailedLinks:
    def __init__(self, issuer: str, database: Database, keyring: Keyring, now: Callable[[], int]) -> None:
        """`now` returns microseconds."""
        self._issuer, self._database, self._keyring, self._now = issuer, database, keyring, now

    def values(self) -> Mapping[str, Values]:
        """Return what the template of each mail is given."""
        return {"reset": self._reset, "sign_up": self._sign_up, "email": self._email} | dict.fromkeys(
            ("password_changed", "email_changed", "deletion_requested", "deletion_cancelled"), self._as_they_are
        )

    async def _reset(self, message: Message, values: Mapping[str, Any]) -> Mapping[str, object]:
        user = await self._owner(message)
        if user is None or user.is_blocked:
            raise Unneeded
        link = await self._link(LinkKind.RESET, message, values, user)
        return {"username": user.username, "link": link, "minutes": links.MINUTES}

    async def _sign_up(self, message: Message, values: Mapping[str, Any]) -> Mapping[str, object]:
        """An address that is somebody's username counts as theirs, though nobody knows who reads its mail."""
        reader = await self._owner(message)
        owner = reader or await self._load(users.load_many, str(message.content["address"]))
        if owner is not None:
            # Nobody else is mailed a link to a new password.
            link = f"{self._issuer}/reset" if reader is not None and not reader.is_blocked else ""
            return {"has_account": True, "username": owner.username, "link": link, "minutes": 0}
        link = await self._link(LinkKind.SIGN_UP, message, values)
        return {"has_account": False, "username": "", "link": link, "minutes": links.MINUTES}

    async def _email(self, message: Message, values: Mapping[str, Any]) -> Mapping[str, object]:
        user = await self._load(users.load_many, str(values["username"]))
        if user is None or user.disabled:
            raise Unneeded
        owner = await self._owner(message) or await self._load(users.load_many, str(message.content["address"]))
        # Older links stop working in either case: one that still worked would reveal that the address is in use.
        link = await self._link(LinkKind.EMAIL, message, values, user)
        if owner is not None and owner.id != user.id:
            return {"is_taken": True, "link": "", "minutes": 0}
        # Not the name: somebody could choose one that is a message to strangers.
        return {"is_taken": False, "link": link, "minutes": links.MINUTES}

    async def _as_they_are(self, message: Message, values: Mapping[str, Any]) -> Mapping[str, object]:
        return values

    async def _owner(self, message: Message) -> User | None:
        """Return the user who has the verified address that the mail goes to."""
        return await self._load(users.load_by_email_many, str(message.content["address"]))

    async def _load(self, loader: Loader[str, User], key: str) -> User | None:
        try:
            return await self._database.load(loader, key)
        except Unavailable as error:
            raise NotSent(str(error)) from error

    async def _link(self, kind: LinkKind, message: Message, values: Mapping[str, Any], user: User | None = None) -> str:
        """Return the URL of the link. Raises Unneeded if it was used: then an earlier attempt had sent the mail."""
        now = self._now()
        link = links.new(
            kind,
            bytes.fromhex(values["link"]),
            refresh_key_id=self._keyring.newest_refresh_key_id(now),
            now=now,
            user=user,
            address=str(message.content["address"]),
            interaction_id=bytes.fromhex(values["interaction"]) or None,
            browser_hash=bytes.fromhex(values["browser"]) or None,
            message_id=message.id,
        )
        try:
            secret, is_unused = self._keyring.link_secret(link), await self._database.write(stored_links.make(link))
        except Unavailable as error:
            raise NotSent(str(error)) from error
        if not is_unused:
            raise Unneeded
        return links.url(self._issuer, kind, secret)

"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 s3.4): a device polls until its user has answered.

A poll changes only when the device polled last, and how long it must wait. A code that was used is refused, and ends
the authorization that it began, as an authorization code does.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from hashlib import sha256

from authlib.oauth2 import rfc8628

from ...domain.device_authorization import Polling, is_out_of_turns
from ...domain.models import Authorization, DeviceCode, User
from ...domain.times import utc
from ...pipeline.errors import Refusal
from ...pipeline.event import Event, LateEvents
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import device_codes
from ...store.database import Change
from ...store.device_codes import DeviceCodeRecord
from ..grant import Grant

_FORM = re.compile(r"dc_[A-Za-z0-9_-]{43}")


class Pending(Refusal):
    """The user has not answered yet. A device asks every few seconds."""

    is_expected = True


class DeviceCodeGrant(Grant, rfc8628.DeviceCodeGrant):
    loader = staticmethod(device_codes.load_many)
    loaded: DeviceCodeRecord | None
    record: DeviceCodeRecord | None = None
    """The loaded record, once it has proved to be this client's."""

    def key(self) -> bytes | None:
        text = self.parsed.form.get("device_code", "")
        return sha256(text.encode()).digest() if _FORM.fullmatch(text) else None

    def count(self) -> Change | None:
        """Note the poll of a device that waits."""
        code = self.loaded.code if self.loaded else None
        if code is None or self.is_counted or not self._waits(code):
            return None
        if is_out_of_turns(code) and Polling(code.poll_interval, code.polled_at).is_too_soon(self.now):
            raise _too_soon()
        return device_codes.poll(code, self.too_soon)

    @cached_property
    def too_soon(self) -> list[bool]:
        """Gets whether the poll came too soon."""
        return []

    def check_counted(self) -> None:
        if True in self.too_soon:
            raise _too_soon()

    def query_device_credential(self, text: str) -> "Credential":
        """Authlib's hook."""
        record = self.loaded
        if record is None:
            raise Refusal("invalid_grant", "no such device code")
        if record.code.client_id != self.client.id:
            foreign = Event("code_foreign", "warning")
            raise Refusal("invalid_grant", "device code of another client", events=[foreign])
        self.record = record
        return Credential(record.code)

    def validate_device_credential(self, credential: "Credential") -> User:
        """Replaces Authlib's method, which does not know of used codes. Returns the user who allowed the device."""
        code, user = credential.code, self.record.user if self.record else None
        if code.used_at is not None:
            is_active = self.record is not None and self.record.has_active_authorization
            raise self.used_again(code.authorization_id, code.used_at, is_active=is_active, is_owner=True)
        if code.is_denied:
            raise Refusal("access_denied", "the user denied it")
        if self.has_come(code.expires_at):
            raise Refusal("expired_token", f"device code expired at {utc(code.expires_at)}")
        if user is None:
            raise Pending("authorization_pending", "the user has not answered yet")
        if user.disabled or user.credential_version != code.credential_version:
            raise Refusal("invalid_grant", "user disabled" if user.disabled else "password changed")
        return user

    def issue(self) -> Decision[Reply]:
        code: DeviceCode = self.request.credential.code
        user: User = self.request.user
        authorization = self._new_authorization(code, user)
        limit, ended = self.policy.max_authorizations, list[bytes]()
        change = device_codes.redeem(code, authorization, limit=limit, ended=ended)
        token = self.refresh_token(authorization, 0) if self.may_refresh else ""
        events = LateEvents(partial(self._events, ended))
        return self.token_response(authorization.scope, authorization, user, change, events, refresh_token=token)

    def about(self) -> Mapping[str, str]:
        if self.record is None or self.record.user is None:
            return {}
        return {"grant_id": self.record.code.authorization_id.hex(), "subject": self.record.user.id}

    def username(self) -> str:
        return self.record.user.username if self.record and self.record.user else ""

    def _waits(self, code: DeviceCode) -> bool:
        return code.client_id == self.client.id and code.answered_at is None and self.now < code.expires_at

    def _events(self, ended: list[bytes]) -> Iterator[Event]:
        """The commit fills `ended` before these events are read."""
        yield Event("code_redeemed")
        yield from self.events_of_limit(ended)

    def _new_authorization(self, code: DeviceCode, user: User) -> Authorization:
        """It does not end with the session of the browser in which the user allowed it: that is another machine."""
        return self.new_authorization(
            user,
            id=code.authorization_id,
            scope=self.still_allowed(code.scope),
            # Without a resource in the request, the user agreed to the default one, and to no other.
            resources=code.resources or self.client.audiences[:1],
            authenticated_at=code.authenticated_at,
            amr=code.amr,
        )


class Credential:
    """Adapts a device code to the one method that Authlib still calls on it."""

    def __init__(self, code: DeviceCode) -> None:
        self.code = code

    def get_client_id(self) -> str:
        return self.code.client_id


def _too_soon() -> Refusal:
    return Pending("slow_down", "the device polls too often")

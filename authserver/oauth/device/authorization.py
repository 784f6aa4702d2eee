"""POST /device_authorization (RFC 8628 s3.1): a device asks for a code that its user types elsewhere."""

from hashlib import sha256
from urllib.parse import urlencode

from ...domain import user_code
from ...domain.client_kinds import DEVICE_CODE
from ...domain.device_authorization import INTERVAL
from ...domain.models import SECOND, DeviceCode
from ...domain.standard_claims import OPENID
from ...pipeline.errors import Refusal, TooManyAttempts
from ...pipeline.event import Event
from ...pipeline.handler import Decision
from ...pipeline.replies import Reply
from ...store import device_codes
from .. import id_tokens
from ..client_handler import ClientHandler
from . import PATH

PREFIX = "dc_"


class DeviceAuthorization(ClientHandler):
    def check_client(self) -> None:
        if DEVICE_CODE not in self.client.grant_types:
            raise Refusal("unauthorized_client", f"client not registered for {DEVICE_CODE}")

    def decide(self) -> Decision[Reply]:
        scope, resources = self.first_scope(), self._resources()
        if OPENID in scope:
            id_tokens.check_key(self.client, self.services)
        self._count()
        # RFC 8628 s5.2: a very high entropy code SHOULD be used.
        text = PREFIX + self.services.new_secret()
        code, typed = self._code(text, scope, resources)
        change = device_codes.add(code)
        return Decision(Reply(200, self._body(text, typed)), change, events=[Event("device_code_issued")])

    def _resources(self) -> tuple[str, ...]:
        # RFC 8707 s2: if the AS is unwilling or unable to ... it SHOULD use invalid_target.
        if not set(self.parsed.resources) <= set(self.client.audiences):
            raise Refusal("invalid_target", "A resource is unknown.")
        return self.parsed.resources

    def _count(self) -> None:
        """Raise TooManyAttempts if the network has begun too many sign-ins: each is a row. A client that has
        authenticated may stand in front of all its users' devices."""
        if self.client.auth_method != "none":
            return
        judged = self.services.interactions.count(self.parsed.network, self.now)
        if judged.full:
            raise TooManyAttempts("network must wait: too many sign-ins begun", judged.wait)

    def _code(self, text: str, scope: tuple[str, ...], resources: tuple[str, ...]) -> tuple[DeviceCode, str]:
        """Return the code, and the user code that belongs to it."""
        hash, keyring = sha256(text.encode()).digest(), self.services.keyring
        key_id = keyring.newest_refresh_key_id(self.now)
        key = keyring.refresh_key(key_id)
        typed = user_code.render(hash, key)
        code = DeviceCode(
            hash=hash,
            user_code_mac=user_code.index_mac(typed, key),
            refresh_key_id=key_id,
            authorization_id=self.services.new_id(),
            client_id=self.client.id,
            scope=scope,
            resources=resources,
            network=self.parsed.network,
            created_at=self.now,
            expires_at=self.now + self.policy.device_code_ttl * SECOND,
            poll_interval=INTERVAL,
        )
        return code, typed

    def _body(self, text: str, typed: str) -> dict[str, str | int]:
        """Return the members of RFC 8628 s3.2."""
        page, code = f"{self.services.issuer}{PATH}", user_code.shown(typed)
        return {
            "device_code": text,
            "user_code": code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': code})}",
            "expires_in": self.policy.device_code_ttl,
            "interval": INTERVAL,
        }

"""Sends the outbox's messages of the kind `logout`: each tells one client of the end of one session.

The logout token is made when it is sent, and again for each retry, so none is stored and none is too old.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from ...domain import logout_token
from ...domain.errors import Unavailable
from ...domain.outbox import Message
from ...fetch import Fetcher, FetchFailed
from ...keyring.keyring import Keyring
from ...keyring.token_signer import TokenSigner
from ...outbox import NotSent
from ...store import clients
from ...store.database import Database

_HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class LogoutTokens:
    limit = 8

    def __init__(
        self,
        issuer: str,
        database: Database,
        keyring: Keyring,
        signer: TokenSigner,
        fetcher: Fetcher,
        now: Callable[[], int],
        new_secret: Callable[[], str],
    ) -> None:
        """`now` returns microseconds."""
        self._issuer, self._database, self._keyring, self._signer = issuer, database, keyring, signer
        self._fetcher, self._now, self._new_secret = fetcher, now, new_secret

    async def send(self, message: Message) -> None:
        """POST a logout token. Any status from 200 to 299 means that it was received. Raises NotSent."""
        try:
            url, token = await self._addressed(message)
            # Back-Channel Logout s2.5: the POST body uses the application/x-www-form-urlencoded encoding and MUST
            # include a logout_token parameter.
            body = urlencode({"logout_token": token}).encode()
            response = await self._fetcher.post(url, body, _HEADERS)
        except (FetchFailed, Unavailable) as error:
            raise NotSent(str(error)) from error
        if not 200 <= response.status <= 299:
            hint = " Redirects are not followed." if 300 <= response.status <= 399 else ""
            raise NotSent(f"The response has status {response.status}.{hint}")

    def close(self) -> None:
        self._fetcher.close()

    async def _addressed(self, message: Message) -> tuple[str, str]:
        """Return where the token goes, and the token. Raises NotSent and Unavailable."""
        client = await self._database.load(clients.load_many, message.client_id or "")
        if client is None or not client.backchannel_logout_uri:
            raise NotSent("The client has no back-channel logout URI any more.", is_permanent=True)
        claims = logout_token.claims(
            issuer=self._issuer,
            client_id=client.id,
            subject=self._keyring.subject(client, message.user_id or ""),
            sid=self._keyring.sid(client, message.session_id or b""),
            now=self._now(),
            jti=self._new_secret(),
        )
        # s2.4: the same keys are used to sign and encrypt Logout Tokens as are used for ID Tokens.
        token = await self._signer.sign(claims, client.id_token_alg, logout_token.TYP, exact=True)
        return client.backchannel_logout_uri, token

"""The clients of a server that is measured: what they send for each operation, and what they remember of responses."""

import re
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from math import inf
from urllib.parse import urlencode

from scripts.bench.speed.sample import BACK, PASSWORD, SCOPE, SECRET, cookie, username
from tests.harness.http_client import Response, get, post

_VERIFIER = "v" * 43
_BASIC = f"Basic {b64encode(f'machine:{SECRET}'.encode()).decode()}"
_CODE = re.compile(rb"[?&]code=([A-Za-z0-9_-]+)")

NEEDS = {
    "refresh": ("password",),
    "introspect": ("password",),
    "redeem": ("authorize",),
    "userinfo": ("authorize", "redeem"),
    "revoke": ("authorize", "redeem"),
}
"""For an operation: which operations must run before it, in order, because it uses their responses."""
USES_UP = ("redeem", "revoke")
"""The operations that use up these responses, and so need new ones each time."""


class Clients:
    """The clients of one server, one for each connection. Its database is that of sample.py."""

    def __init__(self, port: int, connections: int) -> None:
        """`port` is the issuer's, which is part of the names of its cookies."""
        self._port = port
        self._access_tokens, self._signed_in = [""] * connections, [""] * connections
        self._logins, self._codes, self._offline = (
            [deque[str]() for _ in range(connections)],
            [deque[str]() for _ in range(connections)],
            [deque[str]() for _ in range(connections)],
        )
        self._own_token = post("/token", {"grant_type": "client_credentials"}, authorization=_BASIC)

    def own(self, tokens: Sequence[str]) -> None:
        """Give the clients these refresh tokens, which they will use in turn."""
        for number, token in enumerate(tokens):
            self._logins[number % len(self._logins)].append(token)

    def request(self, operation: str, number: int) -> bytes | None:
        """Return the next request of that connection; None if there is nothing left that the operation could use up.
        Nothing is used up before `take`."""
        request: bytes | None = getattr(self, f"_{operation}")(number)
        return request

    def take(self, operation: str, number: int, response: Response) -> None:
        """Remember what later requests of this connection need of a response."""
        if operation == "authorize" and (code := _CODE.search(response.head)):
            self._codes[number].append(code[1].decode())
        elif operation == "redeem":
            self._codes[number].popleft()
            self._signed_in[number] = response.access_token or ""
            self._offline[number].append(response.refresh_token or "")
        elif operation == "revoke":
            self._offline[number].popleft()
        elif operation in ("password", "refresh"):
            self._access_tokens[number] = response.access_token or ""
            self._take_login(operation, number, response.refresh_token or "")

    def _take_login(self, operation: str, number: int, token: str) -> None:
        logins = self._logins[number]
        if operation == "refresh":
            logins.popleft()
        if operation == "refresh" or not logins:
            logins.append(token)

    def left(self, operation: str, number: int) -> float:
        """Return how many requests the connection can still send."""
        if operation not in USES_UP:
            return inf
        return len((self._codes if operation == "redeem" else self._offline)[number])

    def forget(self) -> None:
        """Forget the codes, which are valid for a minute, and the refresh tokens that others were redeemed for."""
        for unused in (*self._codes, *self._offline):
            unused.clear()

    def _client_credentials(self, _: int) -> bytes:
        return self._own_token

    def _password(self, number: int) -> bytes:
        user = {"username": username(number), "password": PASSWORD}
        return post("/token", {"grant_type": "password", "client_id": "app"} | user)

    def _refresh(self, number: int) -> bytes:
        form = {"grant_type": "refresh_token", "client_id": "app", "refresh_token": self._logins[number][0]}
        return post("/token", form)

    def _introspect(self, number: int) -> bytes:
        return post("/introspect", {"token": self._access_tokens[number]}, authorization=_BASIC)

    def _revoke(self, number: int) -> bytes | None:
        unused = self._offline[number]
        return post("/revoke", {"client_id": "site", "token": unused[0]}) if unused else None

    def _authorize(self, number: int) -> bytes:
        challenge = b64encode(sha256(_VERIFIER.encode()).digest(), b"-_").rstrip(b"=").decode()
        pkce = {"code_challenge": challenge, "code_challenge_method": "S256"}
        asked = {"response_type": "code", "client_id": "site", "redirect_uri": BACK, "scope": " ".join(SCOPE)}
        query = urlencode(asked | pkce | {"state": "s" * 43, "nonce": "n" * 43})
        cookies = f"browser_{self._port}={SECRET}; session_{self._port}={cookie(number)}"
        return get(f"/authorize?{query}", f"Cookie: {cookies}")

    def _redeem(self, number: int) -> bytes | None:
        if not self._codes[number]:
            return None
        form = {"grant_type": "authorization_code", "client_id": "site", "redirect_uri": BACK}
        return post("/token", form | {"code": self._codes[number][0], "code_verifier": _VERIFIER})

    def _userinfo(self, number: int) -> bytes:
        return get("/userinfo", f"Authorization: Bearer {self._signed_in[number]}")

    def _jwks(self, _: int) -> bytes:
        return get("/.well-known/jwks.json")

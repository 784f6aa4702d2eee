"""The two cookies of a browser (RFC 6265): `browser`, to which interactions are bound, and `session`."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ...pipeline.replies import Cookie
from ..body import SPACE

_NAMES = ("browser", "session")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


class BrowserCookies:
    """The cookies of an https issuer have the prefix `__Host-` and the flag Secure. Those of a loopback http issuer
    have neither, because browsers would reject them; their names contain the port, which cookies ignore."""

    def __init__(self, issuer: str) -> None:
        parts = urlsplit(issuer)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        secure = parts.scheme == "https"
        self._prefix, self._suffix = ("__Host-", "") if secure else ("", f"_{parts.port or 80}")
        self._names = {self._name(name): name for name in _NAMES}
        self._flags = "Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")

    def read(self, headers: Mapping[str, list[str]]) -> dict[str, str | None]:
        """Return the secret in each cookie; None for one that is missing or no secret of ours, or that comes twice: an
        attacker may have set one of them."""
        secrets: dict[str, str | None] = dict.fromkeys(_NAMES)
        sent: set[str] = set()
        for header in headers.get("cookie", ()):
            for pair in header.split(";"):
                full_name, _, value = pair.strip(SPACE).partition("=")
                name = self._names.get(full_name)
                if name is not None:
                    secrets[name] = value if name not in sent and _SECRET.fullmatch(value) else None
                    sent.add(name)
        return secrets

    def set(self, name: str, cookie: Cookie | None) -> str:
        """Return a Set-Cookie value; None deletes the cookie."""
        value, max_age = (cookie.value, cookie.max_age) if cookie else ("", 0)
        kept = f"Max-Age={max_age}; " if max_age is not None else ""
        return f"{self._name(name)}={value}; {kept}{self._flags}"

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}{self._suffix}"

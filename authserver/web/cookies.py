"""The refresh token as an HttpOnly cookie (RFC 6265), for browser apps on the issuer's own origin."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from .body import SPACE


class RefreshTokenCookie:
    """The cookie of an https issuer has the prefix `__Host-` and the flag Secure. That of a loopback http issuer has
    neither, because browsers would reject it."""

    def __init__(self, issuer: str) -> None:
        parts = urlsplit(issuer)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        secure = parts.scheme == "https"
        self.name = "__Host-refresh_token" if secure else "refresh_token"
        self._flags = "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")

    def set(self, token: str, max_age: int) -> str:
        """Return a Set-Cookie value; `max_age` is in seconds."""
        return f"{self.name}={token}; Max-Age={max_age}; {self._flags}"

    def clear(self) -> str:
        """Return the Set-Cookie value that deletes the cookie."""
        return self.set("", 0)

    def read(self, headers: Mapping[str, list[str]]) -> str | None:
        """Return the token, or None. Raises ValueError for two cookies of that name: an attacker may have set one.

        Names are compared byte by byte, as browsers do when they protect the `__Host-` prefix.
        """
        pairs = [pair.strip(SPACE).partition("=") for header in headers.get("cookie", []) for pair in header.split(";")]
        values = [value for name, _, value in pairs if name == self.name]
        if len(values) > 1:
            raise ValueError("Two cookies have the same name.")
        return values[0] or None if values else None

"""Interactions. Times are microseconds since the epoch."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interaction:
    """An authorization request that waits for its user, in the browser that began it."""

    id: bytes
    browser_hash: bytes
    client_id: str
    request: str
    """The request's parameters, as JSON."""
    created_at: int
    expires_at: int
    revision: int = 0
    """Goes up with every change, so that a change can tell whether another one came first."""
    session_id: bytes | None = None
    """The session whose user did what the flags say, since the interaction began."""
    signed_in: bool = False
    chosen: bool = False
    agreed: bool = False
    denied: bool = False
    """Whether the user refused, which ends it."""
    code_hash: bytes | None = None
    """The code that answered it. Until that one is redeemed, asking again replaces it, since responses get lost."""
    device_code_hash: bytes | None = None
    """The device whose code was typed, if there is one in place of an authorization request."""

    @property
    def ui_locales(self) -> str:
        """The languages that the client asks for, best first; "" leaves it to the browser."""
        values, _resources = json.loads(self.request)
        return str(values.get("ui_locales", ""))

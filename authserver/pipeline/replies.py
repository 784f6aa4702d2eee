"""The types of responses that handlers return; `web/` renders them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON response to a client; `body` None is an empty response."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str] = field(default_factory=dict)
    refresh_token: str = ""
    """Separate from `body`, since some callers get it as a cookie; "" for none."""
    refresh_token_expires_in: int = 0
    """Refresh-token lifetime in seconds; used as the cookie's Max-Age."""

"""What the methods of an issuer for tests raise."""

from typing import Any


class ErrorResponse(Exception):
    """An error response of the server: its HTTP `status`, and its `members` (RFC 6749 s4.1.2.1, s5.2)."""

    def __init__(self, status: int, members: dict[str, Any]) -> None:
        super().__init__(f"{status} {members.get('error')}: {members.get('error_description')}")
        self.status, self.members = status, members


class SignInFailed(Exception):
    """A sign-in ended at a page of the server: an error, or a password that it refused."""

    def __init__(self, status: int, text: str) -> None:
        """`text` is what the page says."""
        super().__init__(f"{status}: {text}")
        self.status, self.text = status, text

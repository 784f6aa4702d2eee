"""The successful response of the token endpoint."""

from ..domain.record import record
from ..pipeline.replies import Reply


@record(frozen=True, slots=True)
class TokenReply(Reply):
    refresh_token: str = ""
    """Separate from `body`, since some callers get it as a cookie; "" for none."""
    refresh_token_expires_in: int = 0
    """Refresh-token lifetime in seconds; used as the cookie's Max-Age."""

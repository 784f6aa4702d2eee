"""Authorization codes. Times are microseconds since the epoch."""

from ..record import record


@record(frozen=True, slots=True)
class Code:
    """An authorization code, which can be used once. The authorization that it begins has its id already, so that a
    replay can end it without a search."""

    hash: bytes
    authorization_id: bytes
    client_id: str
    user_id: str
    session_id: bytes
    redirect_uri: str
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    requested_claims: str
    """The `claims` parameter of the request; empty for none."""
    nonce: str
    code_challenge: str
    """Empty if the client used no PKCE."""
    authenticated_at: int
    amr: tuple[str, ...]
    credential_version: int
    created_at: int
    expires_at: int
    used_at: int | None = None

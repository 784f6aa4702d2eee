"""What a presented refresh token means, given its authorization (RFC 9700 s4.14.2).

The client is checked first, then whether the authorization is over, then the generation. The order matters: another
client learns and changes nothing, and an authorization that is over is never revived.
"""

from enum import Enum

from .models import SECOND, Authorization, Client, Policy, User
from .refresh_token import MAX_GENERATION


class Verdict(Enum):
    ROTATE = "rotate"
    RETRY = "retry"
    USE = "use"
    AHEAD = "ahead"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"
    DEAD = "dead"
    REUSE = "reuse"


def judge(
    generation: int,
    authorization: Authorization,
    *,
    client: Client,
    user: User | None,
    policy: Policy,
    now: int,
    elapsed: int,
) -> Verdict:
    """Judge a genuine token of `generation`, presented by `client` at `now`.

    `elapsed` is the time since the rotation that counts towards the retry window, in microseconds.
    """
    if authorization.client_id != client.id:
        return Verdict.FOREIGN
    if is_over(authorization, now) or not is_allowed(authorization, user) or generation == MAX_GENERATION:
        return Verdict.DEAD
    if generation == authorization.generation:
        return Verdict.ROTATE if policy.rotation else Verdict.USE
    if generation > authorization.generation:
        return Verdict.AHEAD
    previous = generation == authorization.generation - 1
    return Verdict.RETRY if previous and elapsed < policy.refresh_retry_window * SECOND else Verdict.REUSE


def is_over(authorization: Authorization, now: int) -> bool:
    """Whether the authorization is revoked, or has reached its idle or absolute end or that of its session."""
    return authorization.revoked_at is not None or now >= authorization.ends_at


def is_allowed(authorization: Authorization, user: User | None) -> bool:
    """Whether the user is enabled and has not changed the password since. Versions are compared, never times: a login
    that raced a password change is rejected at its first refresh."""
    return user is not None and not user.disabled and user.credential_version == authorization.credential_version

"""Whether an authorization is active, for operators: whether /token would accept its newest refresh token."""

from dataclasses import dataclass, replace

from .end_reason import end_reason
from .models import Authorization, Client, Policy, User


@dataclass(frozen=True, slots=True)
class State:
    word: str
    """`active`; `suspended` while its client or user is disabled; or `ended`, which is permanent."""
    reason: str | None
    """Why it is not active; None if it is."""
    ends_at: int
    """When it ended, or will end unless it is refreshed (microseconds)."""


def state_of(
    authorization: Authorization, *, client: Client | None, user: User | None, policy: Policy, now: int
) -> State:
    ends_at = authorization.ends_at
    if authorization.revoked_at is not None:
        ends_at = min(ends_at, authorization.revoked_at)
    enabled_client = client and replace(client, disabled=False)
    enabled_user = user and replace(user, disabled=False)
    if ended := end_reason(authorization, client=enabled_client, user=enabled_user, policy=policy, now=now):
        return State("ended", ended, ends_at)
    suspended = end_reason(authorization, client=client, user=user, policy=policy, now=now)
    return State("suspended" if suspended else "active", suspended, ends_at)

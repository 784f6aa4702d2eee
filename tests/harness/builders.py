"""Records for tests: whatever a test does not name has a plain value."""

from dataclasses import replace
from typing import Any

from authserver.domain.models import Authorization
from tests.harness.constants import SECOND

IDLE, ABSOLUTE = 7 * 86400, 30 * 86400


def authorization(number: int, now: int, /, **members: Any) -> Authorization:
    """Build an authorization of ada at the client `app`, not yet refreshed. Its id is `number`.

    It was created at `now`, in microseconds. Its lifetimes `IDLE` and `ABSOLUTE` are in seconds.
    """
    built = Authorization(
        id=number.to_bytes(16),
        client_id="app",
        subject="u_ada",
        scope=("read", "write"),
        resources=(),
        created_at=now,
        authenticated_at=now,
        credential_version=0,
        generation=0,
        rotated_at=now,
        rotated_from="",
        idle_expires_at=now + IDLE * SECOND,
        expires_at=now + ABSOLUTE * SECOND,
        revoked_at=None,
        revoked_reason=None,
        refresh_key_id="refresh-1",
        salt=number.to_bytes(32),
    )
    return replace(built, **members)

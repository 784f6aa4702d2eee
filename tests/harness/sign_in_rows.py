"""Rows of a sign-in for tests: whatever a test does not name has a plain value."""

from dataclasses import replace
from typing import Any

from authserver.domain.models import Code, Consent, DeviceCode, Interaction, Session
from tests.harness.constants import SECOND


def session(number: int, now: int, /, **members: Any) -> Session:
    """Build ada's session, whose id is `number`, begun at `now` (microseconds)."""
    built = Session(
        id=number.to_bytes(16),
        secret_hash=number.to_bytes(32),
        user_id="u_ada",
        credential_version=0,
        created_at=now,
        authenticated_at=now,
        amr=("pwd",),
        kept=False,
        seen_at=now,
        idle_expires_at=now + 3600 * SECOND,
        expires_at=now + 7200 * SECOND,
        ended_at=None,
        network="192.0.2.0/24",
    )
    return replace(built, **members)


def interaction(number: int, now: int, /, **members: Any) -> Interaction:
    """Build an interaction of the client `app`, begun at `now`."""
    built = Interaction(
        id=number.to_bytes(16),
        browser_hash=bytes(32),
        client_id="app",
        request="[{}, []]",
        created_at=now,
        expires_at=now + 1800 * SECOND,
    )
    return replace(built, **members)


def code(number: int, now: int, /, **members: Any) -> Code:
    """Build a code for `app`, issued in the session `number` at `now`, which begins the authorization `number`."""
    built = Code(
        hash=number.to_bytes(32),
        authorization_id=number.to_bytes(16),
        client_id="app",
        user_id="u_ada",
        session_id=number.to_bytes(16),
        redirect_uri="https://client.example/cb",
        scope=("openid",),
        resources=(),
        requested_claims="",
        nonce="",
        code_challenge="",
        authenticated_at=now,
        amr=("pwd",),
        credential_version=0,
        created_at=now,
        expires_at=now + 60 * SECOND,
    )
    return replace(built, **members)


def device_code(number: int, now: int, /, **members: Any) -> DeviceCode:
    """Build a device of the client `app`, which waits since `now`, and begins the authorization `number`."""
    built = DeviceCode(
        hash=number.to_bytes(32),
        user_code_mac=number.to_bytes(32),
        refresh_key_id="refresh-1",
        authorization_id=number.to_bytes(16),
        client_id="app",
        scope=("openid",),
        resources=(),
        network="192.0.2.0/24",
        created_at=now,
        expires_at=now + 600 * SECOND,
        poll_interval=5,
    )
    return replace(built, **members)


def consent(now: int, /, **members: Any) -> Consent:
    """Build ada's consent for `app`."""
    return replace(Consent("u_ada", "app", ("openid",), (), (), now), **members)

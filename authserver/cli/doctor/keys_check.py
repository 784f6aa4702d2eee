"""Checks the signing keys: that they sign, that the schedule is kept, and that nobody else can read their files."""

from collections.abc import Iterator

from ...clock import Clock
from ...domain.key_schedule import KeyPolicy, Keys, in_state
from ...domain.models import SECOND, SigningKey
from ...domain.times import counted, span
from ...keyring.lifecycle import Lifecycle
from ...provisioning import open_keyring
from ...settings import Settings
from ...store.database import Database
from .finding import WARNING, Finding, or_ok

CHECK = "keys"
_LATE = 600 * SECOND
"""A server applies what is due within seconds; after a restart it may need to catch up."""
_FIX = "Is a server running? It rotates keys on schedule. To do it by hand: authserver keys rotate --due"


def check(settings: Settings, database: Database, lifecycle: Lifecycle, clock: Clock) -> list[Finding]:
    """Raises Misconfigured for a file that others can read or a key that does not open, and Unavailable."""
    open_keyring(settings, database, clock).check()
    keys, now = lifecycle.read(), lifecycle.now()
    signing = [f"{key.kid[:8]} ({key.alg}) has signed for {_age(key, now)}" for key in keys if key.state == "active"]
    published = counted(sum(key.state in ("pending", "active", "retired") for key in keys), "published key")
    return or_ok(CHECK, findings(keys, lifecycle.policy, now), f"{', '.join(signing)}; {published}.")


def _age(key: SigningKey, now: int) -> str:
    return span(now - (key.created_at if key.activated_at is None else key.activated_at))


def findings(keys: Keys, policy: KeyPolicy, now: int) -> Iterator[Finding]:
    """Yield what the schedule says should have been done by `now` (microseconds), and was not."""
    for key in keys:
        if key.state == "active":
            yield from _overdue(key, policy, now)
            if in_state(keys, key.alg, "pending") is None:
                text = f"No key is published to follow {key.kid[:8]} ({key.alg})."
                yield Finding(CHECK, WARNING, text, _FIX)


def _overdue(active: SigningKey, policy: KeyPolicy, now: int) -> Iterator[Finding]:
    since = active.created_at if active.activated_at is None else active.activated_at
    late = now - since - policy.rotation_period * SECOND
    if late > _LATE + policy.lead_time * SECOND:
        text = f"{active.kid[:8]} ({active.alg}) signs {span(late)} longer than it should."
        yield Finding(CHECK, WARNING, text, _FIX)

"""What will happen to the signing keys: the schedule itself, run forward without changing anything."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

from .key_schedule import KeyPolicy, Keys, Transition, due, in_state, transitions
from .key_transitions import Make, apply, merged
from .models import SigningKey

NEW = "new key "
"""Starts the placeholder for the `kid` of a key that does not exist yet; it cannot occur in a thumbprint."""

_CHANGES = {"activated_at": "promote", "promotable_at": "promotable", "destroyed_at": "destroy", "removed_at": "remove"}


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """`change` is a Transition's, or `promotable`: from then on the key can be promoted by hand."""

    at: int
    """Microseconds since the epoch; the past if it should have been done already."""
    change: str
    kid: str
    replaced: str | None
    """The key that signed until then, if this is a promotion."""
    published: tuple[str, ...]
    """The kids in the JWKS after this event: what verifiers see."""


def coming_events(keys: Keys, policy: KeyPolicy) -> list[TimelineEvent]:
    """Return every coming event of the keys that exist now and of the one that the next promotion creates."""
    events: list[TimelineEvent] = []
    promoted, make = set[str](), placeholders(keys)
    while ahead := list(_ahead(keys, policy, promoted, {(event.change, event.kid) for event in events})):
        at, change, key = min(ahead, key=lambda event: (event[0], event[1], event[2].kid))
        active = in_state(keys, key.alg, "active")
        if change != "promotable":
            promoted |= {key.alg} if change == "promote" else set()
            keys = merged(keys, apply(keys, Transition(change, key.alg, key.kid), at, make))
        replaced = active.kid if active and change == "promote" else None
        events.append(TimelineEvent(at, change, key.kid, replaced, published(keys)))
    return events


def apply_due(keys: Keys, policy: KeyPolicy, now: int, algs: Collection[str]) -> tuple[list[Transition], Keys]:
    """Return the transitions that are due at `now` while clients use `algs`, in order, and the keys after them."""
    done: list[Transition] = []
    make = placeholders(keys)
    while steps := transitions(keys, policy, now, algs):
        done.append(steps[0])
        keys = merged(keys, apply(keys, steps[0], now, make))
    return done, keys


def apply_step(keys: Keys, step: Transition, now: int) -> Keys:
    """Return the keys after `step`."""
    return merged(keys, apply(keys, step, now, placeholders(keys)))


def published(keys: Keys) -> tuple[str, ...]:
    """Return the kids in the JWKS, the active key first."""
    order = ("active", "pending", "retired")
    return tuple(key.kid for state in order for key in keys if key.state == state)


def _ahead(
    keys: Keys, policy: KeyPolicy, promoted: set[str], seen: set[tuple[str, str]]
) -> Iterator[tuple[int, str, SigningKey]]:
    for key in keys:
        for name, at in due(key, keys, policy).items():
            change = _CHANGES.get(name)
            if change and (change, key.kid) not in seen and not (change == "promote" and key.alg in promoted):
                yield at, change, key


def placeholders(keys: Keys) -> Make:
    """Return a function that makes placeholders for new keys, numbered after those that are in `keys` already."""
    numbers = count(1 + sum(key.kid.startswith(NEW) for key in keys))
    return lambda alg: SigningKey(f"{NEW}{next(numbers)}", alg, "pending", {}, None, 0, 0)

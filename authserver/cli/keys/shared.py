"""What the commands on keys share: the keys' lifecycle on the configured database, and keys and timelines in words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...domain.key_schedule import KeyPolicy, Keys, in_state
from ...domain.key_timeline import NEXT, Event, published, timeline
from ...domain.models import SECOND
from ...keyring.lifecycle import Lifecycle
from ...settings import Settings, load
from ..common import moment

_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_CHANGES = {
    "promotable": "{kid} may be promoted by hand: every verifier has had the time to fetch it.",
    "promote": "{kid} signs; {replaced} signs no more, and stays for its tokens. A new key is announced.",
    "destroy": "The private part of {kid} is destroyed.",
    "remove": "{kid} leaves the key set: its last token has expired.",
}


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Lifecycle]:
    """The lifecycle on a database that has this version's schema. Raises Misconfigured and Unavailable."""
    from ...app import lifecycle, open_database
    from ...store import migrations

    settings = settings or load()
    database = open_database(settings)
    try:
        with database.begin() as connection:
            migrations.check(connection)
        yield lifecycle(settings, database)
    finally:
        database.close()


def in_words(keys: Keys, policy: KeyPolicy, now: int) -> str:
    """What is, what happens when, and what verifiers see then."""
    ahead = [
        _entry(moment(event.at), _distance(event.at - now), _sentence(event), event.published)
        for event in timeline(keys, policy)
    ]
    return "\n".join([_entry(moment(now), "now", _present(keys), published(keys)), *ahead])


def as_data(keys: Keys, policy: KeyPolicy) -> list[dict[str, Any]]:
    """The same for JSON; `jwks` lists what verifiers see after the change, the signing key first."""
    return [
        {"at": moment(event.at), "change": event.change, "kid": event.kid, "jwks": list(event.published)}
        for event in timeline(keys, policy)
    ]


def short(kid: str) -> str:
    return "the new key" if kid == NEXT else kid[:8]


def span(microseconds: int) -> str:
    """The two largest units: 1 day 3 hours."""
    seconds, words = max(0, -(-microseconds // SECOND)), []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        words += [f"{count} {name}{'s' if count > 1 else ''}"] if count else []
    return " ".join(words[:2]) or "0 seconds"


def _distance(microseconds: int) -> str:
    return f"in {span(microseconds)}" if microseconds > 0 else "is due"


def _entry(at: str | None, distance: str, sentence: str, kids: tuple[str, ...]) -> str:
    seen = ", ".join(short(kid) for kid in kids)
    return f"{at}  {distance:<22}  {sentence}\n{'':<46}verifiers see: {seen}"


def _sentence(event: Event) -> str:
    replaced = short(event.replaced) if event.replaced else "no other key"
    words = _CHANGES[event.change].format(kid=short(event.kid), replaced=replaced)
    return words[0].upper() + words[1:] if event.kid == NEXT else words


def _present(keys: Keys) -> str:
    sentences = []
    for alg in sorted({key.alg for key in keys}):
        active, pending = in_state(keys, alg, "active"), in_state(keys, alg, "pending")
        signs = f"{short(active.kid)} signs ({alg})" if active else f"no key signs {alg}"
        sentences.append(f"{signs}, {short(pending.kid)} is announced." if pending else f"{signs}, none is announced.")
    return " ".join(sentences)

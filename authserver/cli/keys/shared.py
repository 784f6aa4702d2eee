"""What the commands on keys share: the keys' lifecycle on the configured database, and keys and timelines in words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ... import system
from ...clock import Clock
from ...domain.algorithms import ALGORITHMS, DEFAULT
from ...domain.key_schedule import KeyPolicy, Keys, in_state, promotable_at
from ...domain.key_timeline import Event, published, timeline
from ...domain.models import SECOND, SigningKey
from ...keyring.lifecycle import Lifecycle
from ...settings import Settings, load
from ..common import moment

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_CHANGES = {
    "promotable": "{kid} may be promoted by hand: every verifier has had the time to fetch it.",
    "promote": "{kid} signs; {replaced} signs no more, and stays for its tokens. A new key is announced.",
    "begin": "{kid} signs {alg}, which {default} did until then. A new key is announced.",
    "destroy": "The private part of {kid} is destroyed.",
    "remove": "{kid} leaves the key set: its last token has expired.",
}
_BECAME = {"revoked": "revoke", "active": "promote", "pending": "publish", "removed": "withdraw", "retired": "retire"}
_TOLD = {
    "revoked": "{kid} is revoked: it is out of the key set, and its private part is destroyed",
    "active": "{kid} signs from now on",
    "pending": "{kid} is announced",
    "retired": "{kid} signs no more, and stays for its tokens",
    "removed": "{kid}, which was announced and never signed, is withdrawn",
}
alg_option = click.option(
    "--alg",
    type=click.Choice(ALGORITHMS),
    default=DEFAULT,
    show_default=True,
    help="The algorithm whose keys are meant.",
)
dry_run = click.option("--dry-run", is_flag=True, help="Change nothing; show what would be done.")


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Lifecycle]:
    """The lifecycle on a database that has this version's schema, by the clock that its servers keep to. Raises
    Misconfigured and Unavailable."""
    from ...provisioning import lifecycle, open_existing_database
    from ...store import clock, migrations

    settings, now = settings or load(), Clock()
    database = open_existing_database(settings, now)
    try:
        with database.begin() as connection:
            migrations.check(connection)
            clock.follow(connection, now)
            now.resume(clock.load(connection, system.boot()))
        yield lifecycle(settings, database, now)
    finally:
        database.close()


def in_words(keys: Keys, policy: KeyPolicy, now: int) -> str:
    """What is, what happens when, and what verifiers see then."""
    seen, algs = published(keys), {key.kid: key.alg for key in keys}
    lines = [_line(now, "now", _present(keys)), _seen(seen)]
    for event in timeline(keys, policy):
        lines.append(_line(event.at, _distance(event.at - now), _sentence(event, algs)))
        lines += [_seen(event.published)] if event.published != seen else []
        seen = event.published
    return "\n".join(lines)


def as_data(keys: Keys, policy: KeyPolicy) -> list[dict[str, Any]]:
    """The same for JSON; `jwks` lists what verifiers see after the change, the signing key first."""
    return [
        {"at": moment(event.at), "change": event.change, "kid": event.kid, "jwks": list(event.published)}
        for event in timeline(keys, policy)
    ]


def changes(changed: Keys) -> list[dict[str, str]]:
    """Rows that were written, for JSON."""
    return [{"change": _BECAME[key.state], "alg": key.alg, "kid": key.kid} for key in changed]


def tell_changes(changed: Keys, dry_run: bool) -> None:
    for key in changed:
        words = _TOLD[key.state].format(kid=short(key.kid))
        click.echo(f"{'Would be done' if dry_run else 'Done'}: {words}.", err=True)


def warn_of_young(active: SigningKey, lifecycle: Lifecycle) -> None:
    """Say who refuses the tokens of a key that signs before it was published for the lead time."""
    if lifecycle.now() < promotable_at(active, lifecycle.policy):
        click.echo(
            f"Verifiers that have not fetched the key set since {moment(active.created_at)} refuse the tokens of "
            f"{short(active.kid)} until they do, which may take as long as they may cache it: "
            f"{lifecycle.policy.jwks_max_age} seconds.",
            err=True,
        )


def short(kid: str) -> str:
    """A thumbprint by its first characters. A `kid` from elsewhere is shown whole: those of one service begin alike."""
    return kid[:8] if _THUMBPRINT.fullmatch(kid) else kid


def moment_at_latest(microseconds: int) -> str:
    """As `moment`, rounded up: who waits until then has waited long enough."""
    return str(moment(microseconds + SECOND - 1))


def span(microseconds: int) -> str:
    """The two largest units: 1 day 3 hours."""
    seconds, words = max(0, -(-microseconds // SECOND)), []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        words += [f"{count} {name}{'s' if count > 1 else ''}"] if count else []
    return " ".join(words[:2]) or "0 seconds"


def _distance(microseconds: int) -> str:
    return f"in {span(microseconds)}" if microseconds > 0 else "is due"


def _line(at: int, distance: str, sentence: str) -> str:
    return f"{moment(at)}  {distance:<24}  {sentence}"


def _seen(kids: tuple[str, ...]) -> str:
    return f"{'':<48}Verifiers see {', '.join(short(kid) for kid in kids) or 'no key'}."


def _sentence(event: Event, algs: dict[str, str]) -> str:
    if event.change == "promote" and event.replaced is None:
        return _CHANGES["begin"].format(kid=short(event.kid), alg=algs[event.kid], default=DEFAULT)
    return _CHANGES[event.change].format(kid=short(event.kid), replaced=short(event.replaced or ""))


def _present(keys: Keys) -> str:
    """Of the algorithms that are in use: each keeps the keys that it ever had."""
    sentences = []
    for alg in sorted({DEFAULT, *(key.alg for key in keys if key.state in ("pending", "active"))}):
        active, pending = in_state(keys, alg, "active"), in_state(keys, alg, "pending")
        signs = f"{short(active.kid)} signs ({alg})" if active else f"no key signs {alg}"
        sentences.append(f"{signs}, {short(pending.kid)} is announced." if pending else f"{signs}, none is announced.")
    return " ".join(sentences)

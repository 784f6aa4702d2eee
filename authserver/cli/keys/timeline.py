"""The state of the signing keys, what changes and what will happen when: as text, and as data for --json."""

from typing import Any

import click

from ...domain.algorithms import DEFAULT
from ...domain.key_schedule import KeyPolicy, Keys, algorithms_in_use, in_state, promotable_at
from ...domain.key_timeline import TimelineEvent, coming_events, published
from ...domain.models import SigningKey
from ...domain.times import span, utc_at_latest
from ...keyring.lifecycle import Lifecycle
from ..common import moment
from .shared import say, short

_EVENTS = {
    "promotable": "{kid} can be promoted by hand: every verifier has had time to fetch it.",
    "promote": "{kid} signs; {replaced} stops signing and stays published. A new key is published.",
    "begin": "{kid} signs {alg} tokens, which {default} signed until then. A new key is published.",
    "destroy": "The private key of {kid} is destroyed.",
    "remove": "{kid} leaves the key set: its last token has expired.",
}
_CHANGES = {"revoked": "revoke", "active": "promote", "pending": "publish", "removed": "withdraw", "retired": "retire"}
_SENTENCES = {
    "revoked": "{kid} is revoked: it has left the key set, and its private key is destroyed",
    "active": "{kid} signs from now on",
    "pending": "{kid} is published, to sign next",
    "retired": "{kid} no longer signs; it stays published until its tokens expire",
    "removed": "{kid}, which was published but never signed, is withdrawn",
}
_REJECTED = (
    "Verifiers that have not fetched the key set since {since} reject the tokens of {kid} until they fetch it again. "
    "They may cache it for {seconds} seconds."
)


def timeline_text(keys: Keys, policy: KeyPolicy, now: int) -> str:
    """The present state, then each change with what verifiers see after it."""
    seen, algs = published(keys), {key.kid: key.alg for key in keys}
    lines = [_line(str(moment(now)), "now", _present(keys)), _seen(seen)]
    for event in coming_events(keys, policy):
        lines.append(_line(utc_at_latest(event.at), _distance(event.at - now), _sentence(event, algs)))
        lines += [_seen(event.published)] if event.published != seen else []
        seen = event.published
    return "\n".join(lines)


def timeline_data(keys: Keys, policy: KeyPolicy) -> list[dict[str, Any]]:
    """The same for JSON; `jwks` lists what verifiers see after the change, the signing key first."""
    return [
        {"at": utc_at_latest(event.at), "change": event.change, "kid": event.kid, "jwks": list(event.published)}
        for event in coming_events(keys, policy)
    ]


def changes_data(changed: Keys) -> list[dict[str, str]]:
    """The rows that were written, for JSON."""
    return [{"change": _CHANGES[key.state], "alg": key.alg, "kid": key.kid} for key in changed]


def print_changes(changed: Keys, dry_run: bool) -> None:
    for key in changed:
        say(_SENTENCES[key.state].format(kid=short(key.kid)), dry_run)


def warn_if_young(active: SigningKey, lifecycle: Lifecycle) -> None:
    """Say which verifiers reject the tokens of a key that signs before it was published for the lead time."""
    if lifecycle.now() < promotable_at(active, lifecycle.policy):
        since, seconds = moment(active.created_at), lifecycle.policy.jwks_max_age
        click.echo(_REJECTED.format(since=since, kid=short(active.kid), seconds=seconds), err=True)


def _distance(microseconds: int) -> str:
    return f"in {span(microseconds)}" if microseconds > 0 else "is due"


def _line(at: str, distance: str, sentence: str) -> str:
    return f"{at}  {distance:<24}  {sentence}"


def _seen(kids: tuple[str, ...]) -> str:
    return f"{'':<48}Verifiers see {', '.join(short(kid) for kid in kids) or 'no key'}."


def _sentence(event: TimelineEvent, algs: dict[str, str]) -> str:
    if event.change == "promote" and event.replaced is None:
        return _EVENTS["begin"].format(kid=short(event.kid), alg=algs[event.kid], default=DEFAULT)
    return _EVENTS[event.change].format(kid=short(event.kid), replaced=short(event.replaced or ""))


def _present(keys: Keys) -> str:
    """Describe only the algorithms in use: the others still have rows of old keys."""
    sentences = []
    for alg in sorted({DEFAULT, *algorithms_in_use(keys)}):
        active, pending = in_state(keys, alg, "active"), in_state(keys, alg, "pending")
        signs = f"{short(active.kid)} signs ({alg})" if active else f"no key signs {alg}"
        sentences.append(f"{signs}, {short(pending.kid)} is pending." if pending else f"{signs}, none is pending.")
    return " ".join(sentences)

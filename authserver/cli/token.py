"""authserver token inspect."""

import sys
from dataclasses import dataclass, field
from typing import Any

import click

from ..domain import refresh_token
from ..domain.claims import is_ours
from ..domain.end_reason import end_reason
from ..domain.models import SECOND, Client
from ..domain.rotation import Verdict, is_allowed, is_over, judge
from ..keyring import Keyring
from ..provisioning import open_key_store
from ..settings import Settings, load
from ..store import authorizations, clients, signing_keys, token_state
from ..store.database import Connection
from ..store.token_state import TokenKey
from .common import as_json, fields, moment, now, policy_of, show, transaction


@dataclass
class Findings:
    """What a token is, and every reason why it is not valid on this server."""

    kind: str
    reasons: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        return {"kind": self.kind, "valid": not self.reasons, "reasons": self.reasons, **self.details}


@click.group("token")
def command() -> None:
    """Explain a token.

    \b
    Examples:
      authserver token inspect < token.txt
      echo "$ACCESS_TOKEN" | authserver token inspect --json
    """


@command.command("inspect")
@as_json
def inspect(as_json: bool) -> None:
    """Show what the token on stdin is, whether it is valid on this server, and if not, why.

    Exit code 1 means that it is not valid. A token is a secret, so it is never an argument: pipe it in, or type it at
    the prompt. Inspecting a token changes nothing, even if the token was used before.

    \b
    Examples:
      authserver token inspect < token.txt
      echo "$ACCESS_TOKEN" | authserver token inspect --json
    """
    token = _read_token()
    settings = load()
    with transaction(settings) as connection:
        findings = _explain(token.strip(), settings, connection).described()
    show(findings, as_json, lambda: _in_words(findings))
    if not findings["valid"]:
        raise SystemExit(1)


def _read_token() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Token", hide_input=True, err=True))
    return sys.stdin.buffer.read().decode(errors="replace")


def _explain(token: str, settings: Settings, connection: Connection) -> Findings:
    at = now(connection)
    keyring = Keyring(open_key_store(settings), signing_keys.load(connection), at)
    presented = refresh_token.parse(token)
    if presented:
        return _refresh_token(presented, settings, connection, keyring, at)
    if token.count(".") == 2:
        return _access_token(token, settings, connection, keyring, at)
    return Findings("unknown", ["It is neither a refresh token (rt_ and 72 characters) nor a JWT."])


def _refresh_token(
    presented: refresh_token.Presented, settings: Settings, connection: Connection, keyring: Keyring, at: int
) -> Findings:
    loaded = authorizations.load_many(connection, [presented.authorization_id]).get(presented.authorization_id)
    if loaded is None:
        return Findings(
            "refresh token",
            [
                "Its authorization is not in this database: it belongs to another server, it ended and was deleted, or "
                "the database was restored from a backup that is older than the login."
            ],
        )
    authorization = loaded.authorization
    if not refresh_token.is_genuine(
        presented, key=keyring.refresh_key(authorization.refresh_key_id), salt=authorization.salt
    ):
        return Findings(
            "refresh token",
            ["It is forged: it names an authorization of this server, but this server did not issue it."],
        )
    reasons = _refresh_token_reasons(presented, loaded, clients.load(connection, authorization.client_id), settings, at)
    details = {
        "client_id": authorization.client_id,
        "subject": authorization.subject,
        "scope": " ".join(authorization.scope),
        "generation": presented.generation,
        "newest_generation": authorization.generation,
        "rotated_at": moment(authorization.rotated_at),
        "idle_end": moment(authorization.idle_expires_at),
        "absolute_end": moment(authorization.expires_at),
        "revoked_at": moment(authorization.revoked_at),
    }
    return Findings("refresh token", reasons, details)


def _refresh_token_reasons(
    presented: refresh_token.Presented, loaded: Any, client: Client | None, settings: Settings, at: int
) -> list[str]:
    if client is None or client.disabled:
        return ["Its client is disabled or deleted."]
    authorization, policy = loaded.authorization, policy_of(settings, client)
    elapsed = max(0, at - authorization.rotated_at)  # by the wall clock: only running servers know when it was set
    others = {"client": client, "user": loaded.user, "policy": policy, "now": at, "elapsed": elapsed}
    verdict = judge(presented.generation, authorization, **others)
    good = verdict in (Verdict.ROTATE, Verdict.RETRY, Verdict.USE)
    return [] if good else [_why(verdict, loaded, client, policy, at)]


def _why(verdict: Any, loaded: Any, client: Client, policy: Any, at: int) -> str:
    if verdict is Verdict.REUSE:
        return "It was replaced, and its retry window is over: presenting it is reuse and ends the authorization."
    if verdict is Verdict.AHEAD:
        return (
            "It is newer than its row: the database lost commits, as after a restore. Presenting it corrects the row."
        )
    reason = end_reason(loaded.authorization, client=client, user=loaded.user, policy=policy, now=at)
    return f"Its authorization has ended: {reason or 'generations used up'}."


def _access_token(token: str, settings: Settings, connection: Connection, keyring: Keyring, at: int) -> Findings:
    claims = keyring.verify(token)
    if claims is None:
        return Findings("JWT", ["No published key of this server signed it as an access token."])
    if not is_ours(claims, str(claims.get("iss"))):
        return Findings("JWT", ["A published key signed it, but this server does not issue access tokens like this."])
    times = {name: moment(claims[name] * SECOND) for name in ("iat", "exp", "auth_time") if name in claims}
    reasons = [] if claims["iss"] == settings.issuer else [f"Its issuer is {claims['iss']}, not {settings.issuer}."]
    if claims["exp"] * SECOND <= at:
        reasons.append(f"It expired at {times['exp']}.")
    return Findings("access token", reasons + _state_reasons(claims, connection, at), {"claims": claims} | times)


def _state_reasons(claims: dict[str, Any], connection: Connection, at: int) -> list[str]:
    key = TokenKey(claims["jti"], bytes.fromhex(claims.get("grant_id", "")), claims["client_id"])
    state = token_state.load_many(connection, [key])[key]
    record = state.record
    faults = {
        "This access token was revoked.": state.denied,
        "Its client is disabled or deleted.": state.client is None or state.client.disabled,
        "Its authorization has ended.": "grant_id" in claims and (record is None or is_over(record.authorization, at)),
        "Its user is disabled or has another password now.": record is not None
        and not is_allowed(record.authorization, record.user),
    }
    return [reason for reason, applies in faults.items() if applies]


def _in_words(findings: dict[str, Any]) -> str:
    lines = [
        f"{findings['kind']}: {'valid' if findings['valid'] else 'not valid'}",
        *(f"  {reason}" for reason in findings["reasons"]),
    ]
    details = {**findings.get("claims", {}), **{name: value for name, value in findings.items() if name != "claims"}}
    in_heading = ("kind", "valid", "reasons")
    return "\n".join([*lines, fields({name: value for name, value in details.items() if name not in in_heading})])

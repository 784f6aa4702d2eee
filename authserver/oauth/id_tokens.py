"""ID tokens (OpenID Connect Core s2), which are signed with exactly the algorithm that their client registered."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..domain import authentication, claim_rules, claims_parameter, id_token, standard_claims
from ..domain.id_token import Hint
from ..domain.key_schedule import first_signs_at
from ..domain.models import Authorization, Client, User
from ..domain.times import utc_at_latest
from ..pipeline.errors import Refusal
from ..pipeline.handler import Services, UnsignedToken


def check_key(client: Client, services: Services) -> None:
    """Raise Refusal if no key signs the client's ID tokens yet. The client would reject another algorithm's."""
    alg, keyring = client.id_token_alg, services.keyring
    if keyring.signs(alg):
        return
    at = first_signs_at(alg, keyring.signing_keys, services.key_policy)
    when = "after its first key exists" if at is None else f"from {utc_at_latest(at)} on"
    sentence = f"ID tokens of this client can be signed with {alg} {when}."
    raise Refusal("temporarily_unavailable", f"no key signs {alg} yet", description=sentence)


def unsigned(
    authorization: Authorization, user: User, client: Client, services: Services, *, now: int, ttl: int, nonce: str
) -> UnsignedToken:
    """Return the ID token of an authorization. It is signed after the access token, whose hash it contains. `now` is in
    microseconds and `ttl` in seconds; `nonce` is empty for none. Raises Refusal as `check_key`."""
    check_key(client, services)
    members = id_token.claims(
        issuer=services.issuer,
        client_id=client.id,
        subject=services.keyring.subject(client, authorization.subject),
        now=now,
        ttl=ttl,
        authenticated_at=authorization.authenticated_at,
        acr=authentication.acr(authorization.amr),
        amr=authorization.amr,
        sid=services.keyring.sid(client, authorization.session_id) if authorization.session_id else "",
        nonce=nonce,
        requested=_of_user(authorization, user, client),
    )
    alg = client.id_token_alg
    return UnsignedToken("id_token", members, alg, id_token.TYP, bound=partial(_at_hash, alg), exact=True)


def hint_of(text: str, services: Services) -> Hint | None:
    """Return what an ID token that this server issued says, even if it has expired or its key was removed; None if it
    is no such ID token."""
    claims = services.keyring.verify_past(text)
    return id_token.hint_of(claims, services.issuer) if claims is not None else None


def _of_user(authorization: Authorization, user: User, client: Client) -> dict[str, Any]:
    """Return the claims that the authorization request asked for in the ID token (OpenID Connect Core s5.5), and those
    that the operator named for the client."""
    claims = user.claims or {}
    named = claim_rules.selected(claims, client.id_token_claims)
    if not authorization.requested_claims:
        return named
    names = claims_parameter.parse(authorization.requested_claims).id_token
    return named | standard_claims.of_user(user.username, claims, names)


def _at_hash(alg: str, tokens: Mapping[str, str]) -> dict[str, str]:
    return {"at_hash": id_token.half_hash(tokens["access_token"], alg)}

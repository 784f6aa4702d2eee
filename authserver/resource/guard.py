"""`Guard`: protects an API with the access tokens of one issuer or several."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from . import bearer, clock
from .errors import Answer, TokenMissing, TokenRejected
from .fakes import fake_of, faked
from .gate import Gate
from .issuers import KeySource, TrustedIssuer, trusted
from .jws import AT_JWT
from .keys import WouldWait
from .requirement import Needs, Requirement, requirement
from .source import Transport, check_url
from .strict_json import strict_json
from .token import AccessToken, ScopeClaim, read_claims
from .verifier import KnownIssuer, Verifier

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from .adapters.asgi import ASGIApp

View = TypeVar("View", bound=Callable[..., Any])

log = logging.getLogger("authserver.resource")


class Guard:
    """Accepts requests that carry a valid access token (RFC 9068) of `issuer` for `audience`.

    Make one for each API, when the module is imported. It is safe with threads, event loops and forks, and does nothing
    until the first token arrives. Then it finds the issuer's keys (RFC 8414, else OpenID Connect Discovery) and keeps
    them fresh in the background.

    issuer             the issuer's URL, exactly as in its tokens; https, or http on loopback. Or a list of URLs and
                       `TrustedIssuer`s: the token's `iss` selects the issuer whose keys and rules apply
    audience           this API's name, one of the token's `aud`
    keys               the JWKS itself, or a callable that returns it at once; then nothing is fetched
    jwks_uri           where the JWKS is, if it should not be looked up in the issuer's metadata
    algorithms         JWS algorithms to accept; asymmetric ones only
    typ                the types of the issuer's access tokens: at+jwt (RFC 9068), JWT (Auth0, Keycloak, Entra), or both
    scope_claims       the claims that hold scopes or roles; a tuple is the path to a member within a claim
    allow_http         the issuer or its JWKS may be at an http URL that is not on loopback, as within a cluster
    leeway             seconds after `exp` during which a token is still valid, 0 to 60
    realm              for WWW-Authenticate; the audience unless given
    resource_metadata  URL of this API's RFC 9728 document, named in challenges; `metadata()` makes the document
    body               makes the members of an error's JSON body
    now                a clock in seconds since 1970, used for tokens and for the age of keys; by default, tokens use
                       the machine's clock, and keys use a clock that cannot be set
    fetch              the transport, (url, headers) -> Fetched, for proxies and tests; by default a direct GET of 3 s
                       and 64 KiB that follows no redirect and no proxy setting

    Every error is a TokenRejected. Wrong arguments raise ValueError here, not at the first request.
    """

    def __init__(
        self,
        issuer: str | TrustedIssuer | Sequence[str | TrustedIssuer],
        audience: str,
        *,
        keys: KeySource | None = None,
        jwks_uri: str | None = None,
        algorithms: Sequence[str] = ("RS256",),
        typ: str | Sequence[str] = AT_JWT,
        scope_claims: Sequence[ScopeClaim] = ("scope",),
        allow_http: bool = False,
        leeway: float = 0,
        realm: str | None = None,
        resource_metadata: str | None = None,
        body: bearer.Body = bearer.json_body,
        now: Callable[[], float] | None = None,
        fetch: Transport | None = None,
    ) -> None:
        if not audience or not 0 <= leeway <= 60:
            raise ValueError("audience must not be empty, and leeway is 0 to 60 seconds")
        options = {"keys": keys, "jwks_uri": jwks_uri, "algorithms": algorithms, "allow_http": allow_http}
        age = now or clock.steady
        issuers = [
            KnownIssuer(each.open_keys(fetch, age), each.accepted_algorithms, each.types, each.rules(audience, leeway))
            for each in trusted(issuer, typ=typ, scope_claims=scope_claims, **options)
        ]
        self.audience, self._rules = audience, {each.rules.issuer: each.rules for each in issuers}
        self._now = now or clock.wall
        self._verifier = Verifier(issuers, self._now)
        self._realm = _quotable(audience if realm is None else realm)
        self._resource_metadata = resource_metadata and check_url(_quotable(resource_metadata), "resource_metadata")
        self._body = body
        self._asked: set[str] = set()
        self._dependencies: dict[Requirement, Callable[..., Awaitable[AccessToken | None]]] = {}

    @property
    def issuers(self) -> tuple[str, ...]:
        """The URLs of the issuers."""
        return tuple(self._rules)

    # One token, anywhere

    @overload
    def verify(self, token: str, *scope: str, **needs: Unpack[Needs]) -> AccessToken: ...
    @overload
    def verify(self, token: str | None, *scope: str, **needs: Unpack[Needs]) -> AccessToken | None: ...

    def verify(self, token: str | None, *scope: str, **needs: Unpack[Needs]) -> AccessToken | None:
        """Return the verified token, if it is valid, has every `scope` and meets the other `needs`.

        `token` may be None with `optional=True`; then the result is None. Raises TokenRejected. This waits for the
        network for at most 3 s, and only if a key is not known.
        """
        return self._verify(requirement(scope, needs), token)

    @overload
    async def averify(self, token: str, *scope: str, **needs: Unpack[Needs]) -> AccessToken: ...
    @overload
    async def averify(self, token: str | None, *scope: str, **needs: Unpack[Needs]) -> AccessToken | None: ...

    async def averify(self, token: str | None, *scope: str, **needs: Unpack[Needs]) -> AccessToken | None:
        """Like `verify`, for asyncio: waiting for the network happens in a thread."""
        return await self._averify(requirement(scope, needs), token)

    def _verify(self, need: Requirement, token: str | None) -> AccessToken | None:
        verified = fake_of(self) or (None if token is None else self._verifier.verify(token))
        return need.check(verified, self._now())

    async def _averify(self, need: Requirement, token: str | None) -> AccessToken | None:
        verified = fake_of(self) or (None if token is None else await self._averified(token))
        return need.check(verified, self._now())

    async def _averified(self, token: str) -> AccessToken:
        try:
            return self._verifier.verify(token, wait=False)
        except WouldWait:
            from asyncio import to_thread  # here, so that synchronous programs never import asyncio

            return await to_thread(self._verifier.verify, token)

    def answer(self, rejected: TokenRejected) -> Answer:
        """Return the HTTP response to `rejected`: 401, 403, 400 or 503, the challenge (RFC 6750 s3) and the JSON
        body."""
        log.info("access token rejected: %s", rejected.reason)
        return bearer.answer(rejected, self._realm, self._resource_metadata, self._body)

    # One line for each framework; the token is where that framework keeps request data

    def __call__(self, *scope: str, **needs: Unpack[Needs]) -> Callable[..., Awaitable[AccessToken | None]]:
        """FastAPI: `token: Annotated[AccessToken, Depends(guard("read"))]`.

        The same arguments give the same dependency, so FastAPI calls it once a request, and a test can replace it by
        `app.dependency_overrides[guard("read")]`.
        """
        from .adapters.fastapi import dependency

        gate = self._gate(scope, needs)
        return self._dependencies.setdefault(gate.need, dependency(gate))

    @property
    def responses(self) -> dict[int | str, dict[str, Any]]:
        """FastAPI: `responses=guard.responses` in a route, a router or the application documents 401 and 403."""
        from .adapters.fastapi import RESPONSES

        return RESPONSES

    def starlette(self, *scope: str, **needs: Unpack[Needs]) -> Callable[[View], View]:
        """Starlette: `@guard.starlette("read")` on an endpoint, sync or async; then `request.state.token`."""
        from .adapters.starlette import protect

        return protect(self._gate(scope, needs))

    def flask(self, *scope: str, **needs: Unpack[Needs]) -> Callable[[View], View]:
        """Flask: `@guard.flask("read")` below `@app.get(...)`; then `g.token`."""
        from .adapters.flask import protect

        return protect(self._gate(scope, needs))

    def django(self, *scope: str, **needs: Unpack[Needs]) -> Callable[[View], View]:
        """Django: `@guard.django("read")` on a view, sync or async; then `request.token`."""
        from .adapters.django import protect

        return protect(self._gate(scope, needs))

    def drf_authentication(self) -> Any:
        """Django REST framework: `authentication_classes = [guard.drf_authentication()]`; then `request.auth`."""
        from .adapters.drf import authentication

        return authentication(self._gate((), {"optional": True}))

    def drf_permission(self, *scope: str, **needs: Unpack[Needs]) -> Any:
        """Django REST framework: `permission_classes = [guard.drf_permission("read")]`, with drf_authentication."""
        from .adapters.drf import permission

        return permission(self._gate(scope, needs))

    def wsgi(self, app: "WSGIApplication", *scope: str, **needs: Unpack[Needs]) -> "WSGIApplication":
        """WSGI: `app = guard.wsgi(app, "read")` protects all of `app`; then `environ["authserver.token"]`."""
        from .adapters.wsgi import protect

        return protect(self._gate(scope, needs), app)

    def asgi(self, app: "ASGIApp", *scope: str, **needs: Unpack[Needs]) -> "ASGIApp":
        """ASGI: `app = guard.asgi(app, "read")` protects all of `app`; then `scope["state"]["token"]`."""
        from .adapters.asgi import protect

        return protect(self._gate(scope, needs), app)

    def _gate(self, scope: tuple[str, ...], needs: Needs) -> Gate:
        need = requirement(scope, needs)
        self._asked.update(need.scope, need.any_of)
        name = f"{self.audience} by {', '.join(self.issuers)}"
        return Gate(
            partial(self._admit, need), partial(self._aadmit, need), partial(self._check, need), self.answer, need, name
        )

    def _check(self, need: Requirement, token: AccessToken | None) -> AccessToken | None:
        return need.check(token, self._now())

    def _admit(self, need: Requirement, authorization: Sequence[str]) -> AccessToken | None:
        return self._verify(need, self._sent(need, authorization))

    async def _aadmit(self, need: Requirement, authorization: Sequence[str]) -> AccessToken | None:
        return await self._averify(need, self._sent(need, authorization))

    def _sent(self, need: Requirement, authorization: Sequence[str]) -> str | None:
        """Return the token that was sent; None if there is none and the route does not need one, or if a fake replaces
        it."""
        if fake_of(self) is not None:
            return None
        try:
            return bearer.bearer_token(authorization)
        except TokenMissing:
            if need.optional:
                return None
            raise

    # What surrounds a protected API

    def metadata(self, **members: object) -> dict[str, object]:
        """Return this API's RFC 9728 document, with every scope that a route has required so far and with `members`."""
        return {
            "resource": self.audience,
            "authorization_servers": list(self.issuers),
            "scopes_supported": sorted(self._asked),
            "bearer_methods_supported": ["header"],
            **members,
        }

    @contextmanager
    def fake(self, sub: str, scope: str = "", *, client_id: str = "fake", **claims: object) -> Iterator[AccessToken]:
        """For tests: inside the `with`, every request counts as one of `sub` with `scope`, whatever token it sends.

        This applies only to this context: this thread and task, and those that they start (see fakes.py). Tests that
        run at the same time do not see it. Scopes and step-up are still checked. No request, setting or environment
        variable can turn this on: only this call, in this process, and it writes a warning to the log.
        """
        now = self._now()
        times = {"iat": now, "auth_time": now, "exp": now + 3600}
        rules = self._rules.get(str(claims.get("iss")), self._rules[self.issuers[0]])
        names = {"iss": rules.issuer, "aud": rules.audience, "jti": "fake", "client_id": client_id}
        text = json.dumps({**names, **times, "sub": sub, "scope": scope, **claims})
        rules = replace(rules, scope_claims=("scope",))
        token = read_claims(strict_json(text.encode()), AT_JWT, rules, now)
        log.warning("guard.fake: every request counts as one of %r, no token is verified", sub)
        with faked(self, token):
            yield token


def _quotable(text: str) -> str:
    if not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
        raise ValueError(f"must be printable ASCII without quotes and backslashes: {text!r}")
    return text

"""`Guard`: protects an API with the access tokens of one issuer."""

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from authserver.resource import bearer, clock
from authserver.resource.errors import Answer, TokenRejected
from authserver.resource.gate import Gate
from authserver.resource.jwks import ASYMMETRIC
from authserver.resource.keys import FetchedKeys, GivenKeys, Keys, WouldWait
from authserver.resource.requirement import Requirement, requirement
from authserver.resource.source import Fetch, Issuer, check_url
from authserver.resource.strict_json import strict_json
from authserver.resource.token import AccessToken, read_claims
from authserver.resource.verifier import Verifier

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from authserver.resource.adapters.asgi import ASGIApp

KeySource = Mapping[str, object] | Callable[[], Mapping[str, object]]
View = TypeVar("View", bound=Callable[..., Any])

log = logging.getLogger("authserver.resource")


class Guard:
    """Lets requests in that carry a good access token (RFC 9068) of `issuer` for `audience`.

    Make one for each API, at import; it is thread-safe and does nothing until the first token arrives. Then it finds
    the issuer's keys (RFC 8414, else OpenID Connect Discovery) and keeps them fresh in the background.

    issuer             the issuer's URL, exactly as in its tokens; https, or http on loopback
    audience           this API's name, one of the token's `aud`
    keys               the JWKS itself, or a callable that returns it at once; nothing is fetched then
    jwks_uri           where the JWKS is, if metadata are not to be asked
    algorithms         JWS algorithms to accept; asymmetric ones only
    leeway             seconds after `exp` during which a token is still good, 0 to 60
    realm              for WWW-Authenticate; the audience unless given
    resource_metadata  URL of this API's RFC 9728 document, named in challenges; `metadata()` makes the document
    body               makes the members of a refusal's JSON body
    now                the clock, in seconds since 1970
    fetch              the transport, (url, headers) -> Fetched, for proxies and tests; by default a direct GET of 3 s
                       and 64 KiB that follows no redirect and no proxy setting

    Every refusal is a TokenRejected. Wrong arguments are a ValueError here, not at the first request.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        keys: KeySource | None = None,
        jwks_uri: str | None = None,
        algorithms: Sequence[str] = ("RS256",),
        leeway: float = 0,
        realm: str | None = None,
        resource_metadata: str | None = None,
        body: bearer.Body = bearer.json_body,
        now: Callable[[], float] = clock.time,
        fetch: Fetch | None = None,
    ) -> None:
        self.issuer, self.audience = _issuer(issuer), audience
        self._realm = _quotable(audience if realm is None else realm)
        self._resource_metadata = resource_metadata and check_url(_quotable(resource_metadata), "resource_metadata")
        self._body, self._now = body, now
        if not audience or not 0 <= leeway <= 60:
            raise ValueError("audience must not be empty, and leeway is 0 to 60 seconds")
        allowed = _algorithms(algorithms)
        if keys is not None and jwks_uri is not None:
            raise ValueError("give keys or jwks_uri, not both")
        held = _given(keys, allowed) if keys is not None else _fetched(issuer, jwks_uri, fetch, now, allowed)
        self._verifier = Verifier(issuer, audience, held, allowed, leeway, now)
        self._asked: set[str] = set()
        self._fake: AccessToken | None = None

    # One token, anywhere

    def verify(self, token: str, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()) -> AccessToken:
        """What `token` says, if it is good and has every `scope`.

        `max_age` (seconds since the user's login) and `acr` (one of these) ask for a step-up (RFC 9470). Raises
        TokenRejected; waits for the network at most 3 s, and only when a key is not known.
        """
        need = requirement(scope, max_age, _words(acr))
        return need.check(self._fake or self._verifier.verify(token), self._now())

    async def averify(
        self, token: str, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()
    ) -> AccessToken:
        """As `verify`, under asyncio; what waits for the network waits in a thread."""
        need = requirement(scope, max_age, _words(acr))
        return need.check(self._fake or await self._averified(token), self._now())

    async def _averified(self, token: str) -> AccessToken:
        try:
            return self._verifier.verify(token, wait=False)
        except WouldWait:
            from asyncio import to_thread  # who awaits has imported asyncio; who does not need not

            return await to_thread(self._verifier.verify, token)

    def answer(self, rejected: TokenRejected) -> Answer:
        """What HTTP says to `rejected`: 401, 403, 400 or 503, the challenge (RFC 6750 s3) and the JSON body."""
        log.info("access token refused: %s", rejected.reason)
        return bearer.answer(rejected, self._realm, self._resource_metadata, self._body)

    # One line for each framework; the token is where that framework keeps such things

    def __call__(
        self, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()
    ) -> Callable[..., Awaitable[AccessToken]]:
        """FastAPI: `token: AccessToken = Depends(guard("read"))`."""
        from authserver.resource.adapters.fastapi import dependency

        return dependency(self._gate(scope, max_age, acr))

    def starlette(
        self, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()
    ) -> Callable[[View], View]:
        """Starlette: `@guard.starlette("read")` on an endpoint, sync or async; then `request.state.token`."""
        from authserver.resource.adapters.starlette import protect

        return protect(self._gate(scope, max_age, acr))

    def flask(self, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()) -> Callable[[View], View]:
        """Flask: `@guard.flask("read")` below `@app.get(...)`; then `g.token`."""
        from authserver.resource.adapters.flask import protect

        return protect(self._gate(scope, max_age, acr))

    def django(self, *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()) -> Callable[[View], View]:
        """Django: `@guard.django("read")` on a view, sync or async; then `request.token`."""
        from authserver.resource.adapters.django import protect

        return protect(self._gate(scope, max_age, acr))

    def wsgi(
        self, app: "WSGIApplication", *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()
    ) -> "WSGIApplication":
        """WSGI: `app = guard.wsgi(app, "read")` protects all of `app`; then `environ["authserver.token"]`."""
        from authserver.resource.adapters.wsgi import protect

        return protect(self._gate(scope, max_age, acr), app)

    def asgi(self, app: "ASGIApp", *scope: str, max_age: int | None = None, acr: str | Sequence[str] = ()) -> "ASGIApp":
        """ASGI: `app = guard.asgi(app, "read")` protects all of `app`; then `scope["state"]["token"]`."""
        from authserver.resource.adapters.asgi import protect

        return protect(self._gate(scope, max_age, acr), app)

    def _gate(self, scope: tuple[str, ...], max_age: int | None, acr: str | Sequence[str]) -> Gate:
        need = requirement(scope, max_age, _words(acr))
        self._asked.update(need.scope)
        return Gate(partial(self._admit, need), partial(self._aadmit, need), self.answer, need.scope)

    def _admit(self, need: Requirement, authorization: Sequence[str]) -> AccessToken:
        return need.check(self._fake or self._verifier.verify(bearer.bearer_token(authorization)), self._now())

    async def _aadmit(self, need: Requirement, authorization: Sequence[str]) -> AccessToken:
        return need.check(self._fake or await self._averified(bearer.bearer_token(authorization)), self._now())

    # What surrounds a protected API

    def metadata(self, **members: object) -> dict[str, object]:
        """This API's RFC 9728 document, with every scope that a route asked for so far; `members` are added to it."""
        return {
            "resource": self.audience,
            "authorization_servers": [self.issuer],
            "scopes_supported": sorted(self._asked),
            "bearer_methods_supported": ["header"],
            **members,
        }

    @contextmanager
    def fake(self, sub: str, scope: str = "", *, client_id: str = "fake", **claims: object) -> Iterator[AccessToken]:
        """For tests: inside the `with`, every request counts as one of `sub` with `scope`, whatever it carries.

        Scopes and step-up are still checked. Nothing that a request can say, no setting and no environment variable
        comes here: only this call, in this process, and it writes a warning to the log.
        """
        now = self._now()
        times = {"iat": now, "auth_time": now, "exp": now + 3600}
        names = {"iss": self.issuer, "aud": self.audience, "jti": "fake", "client_id": client_id}
        text = json.dumps({**names, **times, "sub": sub, "scope": scope, **claims})
        token = read_claims(strict_json(text.encode()), self.issuer, self.audience, now, 0)
        log.warning("guard.fake: every request is taken for one of %r, no token is verified", sub)
        before, self._fake = self._fake, token
        try:
            yield token
        finally:
            self._fake = before


def _issuer(issuer: str) -> str:
    # RFC 8414 s2: a URL that uses the "https" scheme and has no query or fragment components
    if urlsplit(check_url(issuer, "issuer")).query:
        raise ValueError(f"issuer must not have a query: {issuer!r}")
    return issuer


def _algorithms(names: Sequence[str]) -> frozenset[str]:
    allowed = frozenset(names)
    if not allowed or not allowed <= ASYMMETRIC:
        raise ValueError(f"algorithms must be some of {', '.join(sorted(ASYMMETRIC))}")
    return allowed


def _given(keys: KeySource, algorithms: frozenset[str]) -> Keys:
    return GivenKeys(keys if callable(keys) else lambda: keys, algorithms)


def _fetched(
    issuer: str, jwks_uri: str | None, fetch: Fetch | None, now: Callable[[], float], algorithms: frozenset[str]
) -> Keys:
    source = Issuer(issuer, jwks_uri and check_url(jwks_uri, "jwks_uri"), fetch or _default_fetch(), now)
    return FetchedKeys(source.load, algorithms, now)


def _default_fetch() -> Fetch:
    # Here and not at the first fetch: a fork during an import leaves the child a module that is locked for ever.
    from authserver.resource.fetch import fetch

    return fetch


def _words(acr: str | Sequence[str]) -> tuple[str, ...]:
    return (acr,) if isinstance(acr, str) else tuple(acr)


def _quotable(text: str) -> str:
    if not text.isascii() or not text.isprintable() or '"' in text or "\\" in text:
        raise ValueError(f"must be printable ASCII without quotes and backslashes: {text!r}")
    return text

"""A web application that people sign in to, with Starlette and Authlib's client for it."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.starlette_client import OAuth, OAuthError
from httpx2 import HTTPError, HTTPStatusError
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from scripts.demo.sessions import Sessions
from scripts.demo.tokens import claims_of, rows

HERE = Path(__file__).parent
SCOPE = "openid profile email read"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
SIGNED_OUT = "You are signed out here. The server still knows this browser, and may not ask for your password again."
WHY = {
    "access_denied": "You did not allow this demo to sign you in.",
    "invalid_grant": "The server has ended this sign-in.",
}


class Demo:
    """The pages of the demo. `url` is the demo's own URL, and `issuer` the authorization server's, without a final
    slash."""

    def __init__(self, url: str, issuer: str, client_id: str, client_secret: str) -> None:
        self.url, self._secret = url, (client_id, client_secret)
        self._pages = Environment(
            loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._client = OAuth().register(
            "authserver",
            client_id=client_id,
            client_secret=client_secret,
            server_metadata_url=f"{issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": SCOPE,
                "code_challenge_method": "S256",
                # Only on this machine is an issuer http, and no proxy that the environment names can reach it there.
                "trust_env": issuer.startswith("https:"),
            },
        )

    def app(self) -> Starlette:
        routes = [
            Route("/", self.at_own_address(self.home)),
            Route("/sign-in", self.at_own_address(self.sign_in)),
            Route("/callback", self.callback),
            Route("/refresh", self.form(self.refresh), methods=["POST"]),
            Route("/sign-out", self.form(self.sign_out), methods=["POST"]),
            Route("/style.css", lambda _: FileResponse(HERE / "style.css", headers=HEADERS)),
        ]
        # Cookies are sent to every port of a host, so the name contains the port.
        cookie = f"demo-{urlsplit(self.url).port or 80}"
        failures = {OAuthError: self.refused, JoseError: self.refused, HTTPError: self.unreachable}
        return Starlette(routes=routes, middleware=[Middleware(Sessions, cookie=cookie)], exception_handlers=failures)

    async def home(self, request: Request) -> Response:
        tokens = request.session.get("tokens")
        if not tokens:
            notice, leave = (request.session.pop(name, "") for name in ("notice", "leave"))
            return self._page("signed_out", notice=notice, leave=leave)
        now, user = time.time(), request.session["user"]
        return self._page(
            "signed_in",
            name=user.get("name") or user.get("preferred_username", user["sub"]),
            userinfo=rows(user, now),
            id_token=rows(claims_of(tokens["id_token"]), now),
            access_token=rows(claims_of(tokens["access_token"]), now),
            refresh_token=tokens.get("refresh_token", ""),
            refreshes=request.session["refreshes"],
        )

    async def sign_in(self, request: Request) -> Response:
        """Redirect to the server. With `?again`, it asks for the password even if the browser is signed in there."""
        parameters = {"prompt": "login"} if "again" in request.query_params else {}
        answer: Response = await self._client.authorize_redirect(request, f"{self.url}/callback", **parameters)
        return answer

    async def callback(self, request: Request) -> Response:
        """Redeem the code. Authlib checks `state`, and the ID token's signature, issuer, audience, times and nonce."""
        metadata = await self._client.load_server_metadata()
        # RFC 9207 section 2.4: "Clients MUST then [...] compare the result [...] to the issuer identifier"
        if request.query_params.get("iss") != metadata["issuer"]:
            raise OAuthError("mixed_up", "This response came from another server.")
        tokens = await self._client.authorize_access_token(request)
        user = await self._client.userinfo(token=tokens)
        # OpenID Connect Core section 5.3.2: "MUST be verified to exactly match the sub Claim in the ID Token"
        if user["sub"] != tokens["userinfo"]["sub"]:
            raise OAuthError("another_user", "The response of UserInfo is about another user.")
        request.session.clear()
        request.session.update(tokens=dict(tokens), user=dict(user), refreshes=0)
        request.session.renewed = True  # type: ignore[attr-defined]
        return self._home()

    async def refresh(self, request: Request) -> Response:
        """Get new tokens. OpenID Connect Core section 12.2: the new ID token has the same `iss` and `sub`."""
        before = request.session["tokens"]
        tokens = await self._client.fetch_access_token(
            grant_type="refresh_token", refresh_token=before["refresh_token"], scope=before.get("scope", SCOPE)
        )
        claims = await self._client.parse_id_token(tokens, nonce=None)
        if claims is None or claims["sub"] != request.session["user"]["sub"]:
            raise OAuthError("another_user", "The new ID token is about another user.")
        request.session["tokens"] = before | tokens
        request.session["refreshes"] += 1
        return self._home()

    async def sign_out(self, request: Request) -> Response:
        """Forget the tokens, and have the server revoke them: the authorization ends with its refresh token. The
        browser's session at the server stays active, unless the person follows the link (RP-Initiated Logout)."""
        tokens = request.session["tokens"]
        request.session.clear()
        leave = await self._client.create_logout_url(id_token_hint=tokens["id_token"])
        request.session.update(notice=SIGNED_OUT, leave=leave["url"])
        metadata = await self._client.load_server_metadata()
        form = {"token": tokens.get("refresh_token") or tokens["access_token"]}
        revoked = await self._client.post(
            metadata["revocation_endpoint"], withhold_token=True, auth=self._secret, data=form
        )
        revoked.raise_for_status()
        return self._home()

    def at_own_address(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a page that first redirects to our own URL if the browser uses another name for this host, such as
        localhost. The server will send the browser to our own URL, where cookies of the other name are not sent."""

        async def redirected(request: Request) -> Response:
            own = urlsplit(self.url)
            if request.url.hostname == own.hostname:  # cookies do not know ports
                return await handle(request)
            return RedirectResponse(
                str(request.url.replace(scheme=own.scheme, netloc=own.netloc)), 303, headers=HEADERS
            )

        return redirected

    def form(self, handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that accepts a form only from our own pages, since other sites could send it, too (CSRF),
        and only from someone who is signed in."""

        async def checked(request: Request) -> Response:
            if request.headers.get("origin") != self.url:
                return self._page("failed", 403, title="This form came from another site.", detail="")
            return await handle(request) if "tokens" in request.session else self._home()

        return checked

    async def refused(self, request: Request, error: Exception) -> Response:
        code = getattr(error, "error", "")
        if code == "invalid_grant":  # the tokens are of no use any more
            request.session.clear()
        title = WHY.get(code, "The sign-in did not work.")
        return self._page("failed", 400, title=title, detail=str(error))

    async def unreachable(self, request: Request, error: Exception) -> Response:
        title = "The server does not answer. Is it running?"
        if isinstance(error, HTTPStatusError):
            title = f"The server answered with status {error.response.status_code}."
        return self._page("failed", 502, title=title, detail="")

    def _home(self) -> Response:
        return RedirectResponse(f"{self.url}/", 303, headers=HEADERS)

    def _page(self, page: str, status: int = 200, **values: Any) -> Response:
        text = self._pages.get_template("page.html").render(page=page, url=self.url, **values)
        return HTMLResponse(text, status, headers=HEADERS)

"""The four ways to log in, call, refresh and log out, each as its users do it."""

from typing import Any

import httpx2
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

from tests.harness.constants import PASSWORD
from tests.harness.prepared import Prepared


class Authlib:
    """Authlib's OAuth2Client over /token and /revoke."""

    def __init__(self, server: Prepared) -> None:
        self.url = server.url
        self.client = OAuth2Client("app", token_endpoint=f"{self.url}/token", base_url=self.url, leeway=0)

    def close(self) -> None:
        self.client.close()

    def log_in(self) -> None:
        self.client.fetch_token(grant_type="password", username="ada", password=PASSWORD)

    def tokens(self) -> tuple[str, str]:
        return self.client.token["access_token"], self.client.token["refresh_token"]

    def refresh(self) -> bool:
        try:
            self.client.refresh_token()
        except OAuthError as error:
            assert error.error == "invalid_grant"
            return False
        return True

    def log_out(self) -> int:
        token = self.client.token["refresh_token"]
        return int(self.client.revoke_token(f"{self.url}/revoke", token, "refresh_token").status_code)


class RequestsOauthlib:
    """requests-oauthlib over /token and /revoke."""

    def __init__(self, server: Prepared) -> None:
        self.url, self.client = server.url, LegacyApplicationClient("app")
        self.session = OAuth2Session(client=self.client)

    def close(self) -> None:
        self.session.close()

    def log_in(self) -> None:
        self.session.fetch_token(f"{self.url}/token", username="ada", password=PASSWORD, include_client_id=True)

    def tokens(self) -> tuple[str, str]:
        return self.session.token["access_token"], self.session.token["refresh_token"]

    def refresh(self) -> bool:
        try:
            self.session.refresh_token(f"{self.url}/token", client_id="app")
        except InvalidGrantError:
            return False
        return True

    def log_out(self) -> int:
        token = self.session.token["refresh_token"]
        url, headers, body = self.client.prepare_token_revocation_request(
            f"{self.url}/revoke", token, "refresh_token", client_id="app"
        )
        return int(self.session.post(url, body, headers=headers, withhold_token=True).status_code)


class JsonBody:
    """The JSON interface with requests; the app keeps both tokens."""

    def __init__(self, server: Prepared) -> None:
        self.url, self.session = server.url, requests.Session()

    def close(self) -> None:
        self.session.close()

    def log_in(self) -> None:
        assert self._keep(self._post("login", {"username": "ada", "password": PASSWORD}))

    def tokens(self) -> tuple[str, str]:
        return self.body["access_token"], self.body["refresh_token"]

    def refresh(self) -> bool:
        return self._keep(self._post("refresh-token", {"refresh_token": self.body["refresh_token"]}))

    def log_out(self) -> int:
        return int(self._post("logout", {"refresh_token": self.body["refresh_token"]}).status_code)

    def _post(self, name: str, members: dict[str, Any]) -> requests.Response:
        return self.session.post(f"{self.url}/api/{name}", json=members)

    def _keep(self, answer: requests.Response) -> bool:
        if answer.status_code == 401:
            assert answer.json() == {"error": "Refresh token is invalid or has expired"}
            return False
        assert answer.status_code == 200, answer.text
        self.body = answer.json()
        return True


class JsonCookie:
    """The JSON interface with a cookie jar, as a browser app uses it: it never sees the refresh token."""

    def __init__(self, server: Prepared) -> None:
        self.client = httpx2.Client(base_url=server.url, headers={"Origin": server.url})
        self.last = ""

    def close(self) -> None:
        self.client.close()

    def log_in(self) -> None:
        credentials = {"username": "ada", "password": PASSWORD, "cookie": True}
        assert self._keep(self.client.post("/api/login", json=credentials))

    def tokens(self) -> tuple[str, str]:
        """The refresh token is the jar's; once it is cleared, what it was."""
        self.last = self.client.cookies.get("refresh_token") or self.last
        return self.access_token, self.last

    def refresh(self) -> bool:
        return self._keep(self.client.post("/api/refresh-token"))

    def log_out(self) -> int:
        status = int(self.client.post("/api/logout").status_code)
        assert not self.client.cookies
        # What a thief has kept of it is worth nothing either.
        self.client.cookies.set("refresh_token", self.last)
        return status

    def _keep(self, answer: httpx2.Response) -> bool:
        if answer.status_code == 401:
            assert answer.json() == {"error": "Refresh token is invalid or has expired"}
            return False
        assert answer.status_code == 200, answer.text
        assert "refresh_token" not in answer.json()
        self.access_token = answer.json()["access_token"]
        return True

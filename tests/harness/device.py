"""A device without a browser: it asks for a code that its user types elsewhere, and polls until they have answered."""

from typing import Any
from urllib.parse import urlsplit

from authserver.domain.client_kinds import DEVICE_CODE
from tests.harness.browser import Browser

PATH = "/device_authorization"


class Device:
    def __init__(self, http: Any, client_id: str = "tv", **form: Any) -> None:
        """`form` is what the device sends beside its client id."""
        self.http, self.client = http, {"client_id": client_id}
        self.response = http.post(PATH, data=self.client | form)

    @property
    def told(self) -> dict[str, Any]:
        """What the server answered (RFC 8628 s3.2)."""
        assert self.response.status_code == 200, self.response.text
        body: dict[str, Any] = self.response.json()
        return body

    def poll(self, http: Any = None, **changes: Any) -> Any:
        """Ask /token, of this node or another."""
        form = {"grant_type": DEVICE_CODE, "device_code": self.told["device_code"]} | self.client | changes
        return (http or self.http).post(
            "/token", data={name: value for name, value in form.items() if value is not None}
        )

    def page(self, browser: Browser) -> Any:
        """The page that is next when the code was typed into this browser."""
        page = browser.get(urlsplit(self.told["verification_uri"]).path)
        return browser.submit(page, user_code=self.told["user_code"])

    def asked(self, browser: Browser, username: str = "ada") -> Any:
        """The page that asks whether to let the device in, once somebody has signed in."""
        page = self.page(browser)
        return browser.sign_in(page, username) if 'id="sign-in"' in page.text else page

    def allowed(self, browser: Browser) -> "Device":
        assert 'id="device-done"' in browser.allow(self.asked(browser)).text
        return self

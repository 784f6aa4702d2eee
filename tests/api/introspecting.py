"""Asking /introspect, and how its answers must look in full."""

from typing import Any

from tests.harness.constants import AUDIENCE, SECRET
from tests.harness.sample_database import as_client
from tests.web.answers import JSON_HEADERS

INACTIVE = {"active": False}
_OF_THE_CONNECTION = {"x-request-id", "content-length", "date", "connection"}


class Introspector:
    """Resource servers: `machine`, whose audience is our tests' API, and `stranger`, whose audience is another."""

    def __init__(self, http: Any) -> None:
        self.http = http

    def ask(self, token: str, client_id: str = "machine", **more: str) -> Any:
        form = {"token": token} | more
        if client_id == "machine":
            return self.http.post("/introspect", data=form, auth=("machine", SECRET))
        authentication = {"client_id": client_id, "client_secret": SECRET}
        return self.http.post("/introspect", data=form | (as_client("web") | authentication))

    def shown(self, token: str, client_id: str = "machine", **more: str) -> dict[str, Any]:
        """The members of the answer, whose headers are looked at."""
        answer = self.ask(token, client_id, **more)
        assert answer.status_code == 200, answer.text
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert JSON_HEADERS.items() <= headers.items()
        assert headers.keys() - JSON_HEADERS.keys() <= _OF_THE_CONNECTION
        body: dict[str, Any] = answer.json()
        assert type(body["active"]) is bool
        return body


STRANGER = {"id": "stranger", "audiences": ("https://else.example",)}
WARDEN = {"id": "warden", "audiences": ("https://else.example", AUDIENCE)}

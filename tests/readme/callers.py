"""Somebody who goes on calling protected APIs and refreshing while a key is rotated."""

import json
import threading
import time
import urllib.request
from collections import Counter
from urllib.error import HTTPError
from urllib.parse import urlencode

import jwt

from tests.harness.constants import LONG

_PAUSE = 0.05  # seconds, in which the commands that it accompanies get a core


def kid_of(access_token: str) -> str:
    kid: str = jwt.get_unverified_header(access_token)["kid"]
    return kid


def call(url: str, access_token: str) -> int:
    """The HTTP status."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {access_token}"})
    try:
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


class Caller:
    """Calls each API with the first access token and with the newest, refreshes, and so on, until it is stopped."""

    def __init__(self, server: str, client_id: str, login: dict[str, str], apis: list[str]) -> None:
        self.server, self.client_id, self.apis = server, client_id, apis
        self.first = self.newest = login
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """How often each API answered what to a token signed by which key: (API, kid, status)."""
        self.failure: Exception | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(LONG)

    def wait_for_another_key(self, seconds: float) -> float:
        """Seconds until tokens are signed by another key than the first; then a few calls more with both."""
        began, old = time.monotonic(), kid_of(self.first["access_token"])
        while self._calls_with_another_than(old) < 4 * len(self.apis):
            assert self.failure is None, self.failure
            assert time.monotonic() - began < seconds, f"no other key than {old} signs after {seconds} s"
            time.sleep(0.05)
        return time.monotonic() - began

    def _calls_with_another_than(self, old: str) -> int:
        return sum(count for (_, kid, _), count in list(self.answers.items()) if kid != old)

    def _go_on(self) -> None:
        try:
            while not self._stopped.is_set():
                for login in (self.first, self.newest):
                    self._call_all(login["access_token"])
                self.newest = self._refreshed()
                self._stopped.wait(_PAUSE)
        except Exception as error:  # of a thread: told by whoever waits
            self.failure = error

    def _call_all(self, access_token: str) -> None:
        for api in self.apis:
            self.answers[api, kid_of(access_token), call(api, access_token)] += 1

    def _refreshed(self) -> dict[str, str]:
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "refresh_token": self.newest["refresh_token"],
        }
        with urllib.request.urlopen(f"{self.server}/token", urlencode(form).encode(), timeout=LONG) as answer:
            refreshed: dict[str, str] = json.load(answer)
            return refreshed

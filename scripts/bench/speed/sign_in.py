"""What the authorization code flow costs, beside a refresh and an RSA-2048 signature on the same core.

One core for the server, another for the load, kept-alive connections; SQLite, durable. In each round: refreshes, then
authorization requests of somebody who is signed in and has agreed, then the redemption of their codes. A redemption
makes two signatures, for an access token and an ID token. Medians of all rounds are compared:

* beside its signatures, a redemption costs at most twice what a refresh costs beside its own;
* an authorization request, which signs nothing, costs at most 0.8 of a signature.

    .venv/bin/python scripts/bench/speed/sign_in.py --rounds 5 --seconds 3
"""

import argparse
import os
import re
import sys
import tempfile
from collections import deque
from operator import attrgetter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from authserver.testing.browser import Browser
from authserver.testing.code_flow import CodeFlow
from scripts.bench.speed.tokens import Measured, Round, logins, measure, median, started
from tests.harness.constants import PASSWORD
from tests.harness.http_client import HOST, Refreshes, Response, Script, post

MOST_OF_A_REFRESH, MOST_OF_A_SIGNATURE = 2.0, 0.8
_BACK = "https://app.example/callback"
_SCOPE = "openid offline_access"
_USERS = 8
"""So many that nobody reaches the limit of authorizations, which would end others."""
_CODE = re.compile(rb"[?&]code=([A-Za-z0-9_-]+)")


class CodeLoad:
    """The requests of one signed-in browser and its client. Codes go from `authorize` to `redeem`."""

    def __init__(self, server: Measured, client_id: str, username: str) -> None:
        server.command("user", "create", username, "--password-stdin", input=PASSWORD)
        self._flow = CodeFlow.begin(server.url, client_id, redirect_uri=_BACK, scope=_SCOPE)
        browser = Browser(server.url)
        self._client_id, self._codes = client_id, deque[str]()
        self._back = browser.authorize(self._flow.url, username, PASSWORD)
        path = self._flow.url.removeprefix(server.url)
        self._authorize = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: {browser.cookie}\r\n\r\n".encode()

    def authorize(self, last: Response | None) -> bytes | None:
        if last is not None and (code := _CODE.search(last.head)):
            self._codes.append(code[1].decode())
        return self._authorize

    def redeem(self, _: Response | None) -> bytes | None:
        """Redeem one of the codes; None when all are used."""
        if not self._codes:
            return None
        form = self._flow.redemption(self._back) | {"code": self._codes.popleft(), "client_id": self._client_id}
        return post("/token", form)

    def forget(self) -> None:
        """Forget the codes, which live a minute."""
        self._codes.clear()


def measured(server: Measured, rounds: int, seconds: float, connections: int) -> dict[str, list[Round]]:
    options = ("--kind", "spa", "--scope", _SCOPE, "--redirect-uri", _BACK)
    client_id = server.command("client", "create", "Sign-in", *options)["client_id"]
    browsers = [CodeLoad(server, client_id, f"user{number}") for number in range(_USERS)]
    of_browsers = connections // _USERS
    refreshes: list[Script] = [Refreshes(server.app["client_id"], token) for token in logins(server, connections)]
    found: dict[str, list[Round]] = {"refresh": [], "authorize": [], "redeem": []}
    for _ in range(rounds):
        found["refresh"].append(measure(server, refreshes, seconds))
        asking = [browser.authorize for browser in browsers] * of_browsers
        found["authorize"].append(measure(server, asking, seconds, status=303))
        found["redeem"].append(measure(server, [browser.redeem for browser in browsers] * of_browsers, seconds))
        for browser in browsers:
            browser.forget()
    return found


def report(rounds_by_name: dict[str, list[Round]]) -> bool:
    """Print the medians. Returns whether both bounds hold."""
    cpu = {name: median(rounds, attrgetter("cpu")) for name, rounds in rounds_by_name.items()}
    signature = median(rounds_by_name["refresh"], attrgetter("signing"))
    of_refresh, of_signature = cpu["redeem"] / cpu["refresh"], cpu["authorize"] / signature
    print(f"{'':10} {'CPU us beside signatures':>26} {'per s':>8} {'p50 ms':>8}")
    for name, rounds in rounds_by_name.items():
        rate, p50 = median(rounds, attrgetter("rate")), median(rounds, attrgetter("p50"))
        print(f"{name:10} {cpu[name]:>26.0f} {rate:>8.0f} {p50:>8.1f}")
    print(f"\na signature takes {signature:.0f} us")
    print(f"a redemption costs {of_refresh:.2f} of a refresh, and at most {MOST_OF_A_REFRESH} is allowed")
    print(f"an authorization request costs {of_signature:.2f} of one, and at most {MOST_OF_A_SIGNATURE} is allowed")
    return of_refresh <= MOST_OF_A_REFRESH and of_signature <= MOST_OF_A_SIGNATURE


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="of load for each kind and round")
    parser.add_argument("--connections", type=int, default=32)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, started(Path(folder), MAX_AUTHORIZATIONS="10000") as server:
        if len(cores := sorted(os.sched_getaffinity(0))) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        return 0 if report(measured(server, asked.rounds, asked.seconds, asked.connections)) else 1


if __name__ == "__main__":
    sys.exit(main())

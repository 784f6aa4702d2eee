#!/usr/bin/env python3
"""Sends authorization requests that are nearly right, and checks where they lead.

    python scripts/bench/fuzz/fuzz_authorize.py [N] [--seed X]

Starts a server and sends N requests (100,000 by default) to /authorize, some of them from a browser in which somebody
is signed in. Faults are printed and make the exit code 1: a 5xx; a link, form or redirect to an address that no client
registered; a split header; unescaped markup from the request; a response to a client without `iss`; an exception or a
secret in the log.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from scripts.bench.arguments import use_venv  # noqa: E402

if __name__ == "__main__":
    use_venv()

from authserver import system  # noqa: E402
from authserver.passwords import PasswordHasher  # noqa: E402
from authserver.provisioning import open_database  # noqa: E402
from authserver.store import clients  # noqa: E402
from authserver.testing.browser import Browser  # noqa: E402
from scripts.bench.fuzz.authorization_requests import CLIENTS, WEB, Requests, Response, fault_of  # noqa: E402
from scripts.bench.fuzz.hostile_requests import CANARY  # noqa: E402
from tests.harness.constants import PASSWORD  # noqa: E402
from tests.harness.live import up  # noqa: E402
from tests.harness.prepared import Prepared  # noqa: E402
from tests.harness.sample_database import settings_in  # noqa: E402

_MAX_FAULTS = 20
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Relied(Prepared):
    """A server with the clients that the requests name."""

    def set_up(self) -> None:
        super().set_up()
        database = open_database(settings_in(self.folder, issuer=self.url), system.now)
        with database.begin() as connection:
            for client in CLIENTS:
                clients.add(connection, client)
        database.close()


def signed_in_at(url: str) -> str:
    """Return the cookies of a browser in which ada is signed in and has consented to every scope of WEB."""
    request = {
        "response_type": "code",
        "client_id": WEB.id,
        "redirect_uri": WEB.redirect_uris[0],
        "scope": " ".join(WEB.scope),
    }
    pkce = {"code_challenge": "A" * 43, "code_challenge_method": "S256"}
    browser = Browser(url)
    browser.authorize(f"{url}/authorize?{urlencode(request | pkce)}", "ada", PASSWORD)
    return browser.cookie


def send(connection: HTTPConnection, method: str, query: str, cookies: str, *, follow: bool) -> Response:
    """Send a request to /authorize, and follow redirects back to it; with `follow`, also those to pages of the
    server."""
    if method == "POST":
        connection.request("POST", "/authorize", query, {"Cookie": cookies, **_FORM})
    else:
        connection.request("GET", f"/authorize?{query}", headers={"Cookie": cookies})
    response = _received(connection)
    own = f"http://127.0.0.1:{connection.port}/{'' if follow else 'authorize?'}"
    while response.location.startswith(own):
        parts = urlsplit(response.location)
        headers = {"Cookie": f"{cookies}; {response.cookie}"}
        connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        response = _received(connection)
    return response


def _received(connection: HTTPConnection) -> Response:
    response = connection.getresponse()
    cookie, headers = response.headers.get("Set-Cookie", ""), response.headers
    return Response(response.status, headers.get("Location", ""), response.read().decode(), cookie.partition(";")[0])


def fuzz(server: Prepared, many: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how often there was each kind of response, and the faults."""
    requests, kinds, faults = Requests(seed), Counter[str](), list[str]()
    session = cookies_of(signed_in_at(server.url), "session")
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    for _ in range(many):
        query, method = requests.query(), "POST" if requests.chance(0.1) else "GET"
        response = send(connection, method, query, session if requests.chance(0.6) else "", follow=requests.chance(0.2))
        kinds[kind_of(response)] += 1
        fault = fault_of(response, server.url)
        if fault:
            faults.append(f"{fault}: {query[:2000]}")
        if len(faults) >= _MAX_FAULTS:
            break
    return kinds, faults


def cookies_of(header: str, name: str) -> str:
    """Return the cookies whose names begin with `name`. Without the cookie `browser`, each new interaction gets a
    browser of its own."""
    return "; ".join(cookie for cookie in header.split("; ") if cookie.startswith(name))


def kind_of(response: Response) -> str:
    if response.status != 303:
        return f"page {response.status}"
    if "/interaction/" in response.location:
        return "interaction"
    return "code" if "code=ac_" in response.location else "error to the client"


def left_in(log: Path) -> list[str]:
    lines = log.read_text(errors="replace").splitlines()
    faults = [f"an exception in the log: {line[:300]}" for line in lines if "Traceback" in line]
    return faults + [f"a secret in the log: {line[:500]}" for line in lines if CANARY in line][:1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=100_000, metavar="N", help="requests (default 100,000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests (default 1)")
    asked = parser.parse_args(arguments)
    start, passwords = monotonic(), PasswordHasher()
    with tempfile.TemporaryDirectory(prefix="authserver-bench-") as folder:
        settings = {"LOG_LEVEL": "debug", "INTERACTION_LIMIT": "0"}
        with up(Relied(Path(folder), passwords.hash(PASSWORD), **settings)) as server:
            counts, faults = fuzz(server, asked.count, asked.seed)
            faults += left_in(server.log)
    passwords.close()
    kinds = ", ".join(f"{kind}: {count}" for kind, count in counts.most_common())
    print(f"{counts.total()} requests in {monotonic() - start:.0f} s: {kinds}; {len(faults)} faults", *faults, sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())

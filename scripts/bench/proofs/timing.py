"""Checks that responses do not reveal which accounts exist, neither by their bytes nor by their time.

At /token, /api/login and the sign-in page, failed logins of known, unknown and disabled accounts must get the same
response in the same time, also while they are delayed. So must requests to the pages that send an email (to reset a
password, to sign up, and to change the address), whether or not somebody has an account with that address.

The requests of all kinds alternate in random order on one connection, and each response is timed. Then every two kinds
of one endpoint are compared by the Mann-Whitney U test: p must be above 0.01. One pair in a hundred misses that by
chance.

    python3 scripts/bench/proofs/timing.py                 2,000 responses of each kind at each endpoint
    python3 scripts/bench/proofs/timing.py --early         plants a fault: nothing is hashed for unknown users
    python3 scripts/bench/proofs/timing.py --mail          only the pages that send an email
"""

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from math import erfc, sqrt
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv

if __name__ == "__main__":
    use_venv()

from authserver.testing.code_flow import CodeFlow
from tests.harness.constants import PASSWORD
from tests.harness.http_client import HOST, Connection, Response, connect, run
from tests.harness.markup import Form
from tests.harness.mutants import Mutant
from tests.harness.plain_browser import PlainBrowser
from tests.harness.server import Server, log_in, set_up

EARLY = Mutant(
    "unknown users are refused without hashing",
    "passwords.py",
    "        hashed = self._nobody if password_hash is None else password_hash\n",
    "        if password_hash is None:\n            return _NO_MATCH\n        hashed = password_hash\n",
)
LEAST = 0.01
"""If the p of two kinds is lower than this, they count as different."""
FAILED, DELAYED, SENT = (400, 401, 422), (429,), (303,)
_ACCOUNTS = {"known": ("ada", PASSWORD + "?"), "unknown": ("bob", PASSWORD), "disabled": ("eve", PASSWORD)}
_PAGES = ("/reset", "/sign-up")
_ACCOUNT_PAGE = "/account/email"
_SIGN_IN_EVERY = 200  # seconds: earlier than the server asks for the password again
_HASH = "$2y$10$.vGA1O9wmRjrwAVXD98HNOgsNpDczlqm3Jq7KnEd1rVAGv3Fykk1a"
_BACK = "https://app.example/callback"
_REQUEST_ID = re.compile(rb"\r\nx-request-id: ([^\r]*)", re.IGNORECASE)
_VARYING = re.compile(rb"\r\n(date|retry-after|x-request-id): [^\r]*|(?<=[?&]done=)[^&\r]*", re.IGNORECASE)


class Kind(NamedTuple):
    path: str
    account: str


class Answers(NamedTuple):
    """The responses of one kind: the seconds that each took, and the set of distinct ones."""

    seconds: list[float]
    different: set[tuple[bytes, bytes]]


def requests(server: Server) -> dict[Kind, bytes]:
    by_kind, page = {}, SignInPage(server)
    for account, (username, password) in _ACCOUNTS.items():
        by_kind[Kind("/token", account)] = log_in(server.client_id, username, password)
        body = json.dumps({"username": username, "password": password})
        head = f"POST /api/login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        by_kind[Kind("/api/login", account)] = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        by_kind[Kind("sign-in page", account)] = page.request(username, password)
    return by_kind


class SignInPage:
    """A sign-in page in one browser, which sends its form again and again."""

    def __init__(self, server: Server) -> None:
        options = ("--kind", "spa", "--redirect-uri", _BACK)
        client_id = server.nodes[0].command("client", "create", "Page", *options)["client_id"]
        flow = CodeFlow.begin(server.nodes[0].url, client_id, redirect_uri=_BACK, scope="openid")
        with PlainBrowser() as browser:
            self._form = browser.open(flow.url).forms["sign-in"]
            self._cookie, self._origin = browser.cookie, server.nodes[0].url

    def request(self, username: str, password: str) -> bytes:
        return _posted(self._form, self._cookie, self._origin, username=username, password=password)


class MailPage:
    """A page that asks for an address, in one browser."""

    def __init__(self, server: Server, path: str) -> None:
        self._origin = server.nodes[0].url
        with PlainBrowser() as browser:
            self._form = browser.open(self._origin + path).forms["send"]
            self._cookie = browser.cookie

    def request(self, address: str) -> bytes:
        return _posted(self._form, self._cookie, self._origin, email=address)


class AccountMailPage(MailPage):
    """The page on which ada, who is signed in, enters another address."""

    def __init__(self, server: Server) -> None:
        self._origin, self._signed_in_at = server.nodes[0].url, 0.0
        self._sign_in()

    def request(self, address: str) -> bytes:
        if perf_counter() - self._signed_in_at > _SIGN_IN_EVERY:
            self._sign_in()
        return super().request(address)

    def _sign_in(self) -> None:
        self._signed_in_at = perf_counter()
        with PlainBrowser() as browser:
            browser.open(f"{self._origin}/account/sign-in?next={_ACCOUNT_PAGE}")
            self._form = browser.press("sign-in", username="ada", password=PASSWORD).forms["send"]
            self._cookie = browser.cookie


def _posted(form: Form, cookie: str, origin: str, **typed: str) -> bytes:
    body = urlencode([(name, typed.get(name, value)) for name, value in form.fields])
    head = (
        f"POST {form.action.removeprefix(origin)} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {origin}\r\n"
        f"Cookie: {cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


async def measure(port: int, requests: dict[Kind, bytes], many: int, statuses: Sequence[int]) -> dict[Kind, Answers]:
    """Send requests until each kind has `many` responses with one of the statuses."""
    connection = await connect(port)
    answers = {kind: Answers([], set()) for kind in requests}
    while missing := [kind for kind, got in answers.items() if len(got.seconds) < many]:
        for kind in random.sample(missing, len(missing)):
            seconds, response = await _timed(connection, requests[kind])
            if response.status in statuses:
                answers[kind].seconds.append(seconds)
                answers[kind].different.add(_without_what_varies(response, _ACCOUNTS[kind.account][0]))
    connection.close()
    return answers


async def measure_mail(port: int, pages: dict[str, MailPage], many: int) -> dict[Kind, Answers]:
    """Request an email from each page, for `many` addresses of users and as many that nobody has. Each address is used
    only once, because the server sends few emails to one address."""
    connection = await connect(port)
    kinds = [Kind(path, account) for path in pages for account in ("known", "unknown")]
    answers = {kind: Answers([], set()) for kind in kinds}
    for number in range(many):
        for kind in random.sample(kinds, len(kinds)):
            request = pages[kind.path].request(f"{kind.account}{number}@example.com")
            seconds, response = await _timed(connection, request, SENT)
            answers[kind].seconds.append(seconds)
            answers[kind].different.add(_without_what_varies(response, ""))
    connection.close()
    return answers


def _without_what_varies(response: Response, username: str) -> tuple[bytes, bytes]:
    """Return head and body without times, the request's id, and the username that a page repeats."""
    request_id = _REQUEST_ID.search(response.head)
    body = response.body.replace(request_id[1], b"") if request_id else response.body
    return _VARYING.sub(b"", response.head), body.replace(f'"{username}"'.encode(), b"")


async def _timed(
    connection: Connection, request: bytes, statuses: Sequence[int] = (*FAILED, *DELAYED)
) -> tuple[float, Response]:
    began = perf_counter()
    response = await connection.ask(request)
    seconds = perf_counter() - began
    if response.status not in statuses:
        raise SystemExit(f"Unexpected response: {response}")
    return seconds, response


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the two-sided p of the U test, by the normal approximation, which is accurate from 20 values on."""
    ranks, ties = _ranks([*one, *other])
    many, total = len(one) * len(other), len(one) + len(other)
    u = sum(ranks[: len(one)]) - len(one) * (len(one) + 1) / 2
    variance = many / 12 * (total + 1 - ties / (total * (total - 1)))
    return erfc(max(0, abs(u - many / 2) - 0.5) / sqrt(2 * variance)) if variance else 1.0


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Return the rank of each value, the same for equal values, and the sum of t^3 - t over groups of t equal
    values."""
    places: dict[float, list[int]] = defaultdict(list)
    for rank, value in enumerate(sorted(values), 1):
        places[value].append(rank)
    shared = {value: sum(ranks) / len(ranks) for value, ranks in places.items()}
    return [shared[value] for value in values], sum(len(ranks) ** 3 - len(ranks) for ranks in places.values())


def report(answers: dict[Kind, Answers]) -> bool:
    """Print each comparison. Returns whether no two kinds of an endpoint can be told apart."""
    alike = True
    for one, other in combinations(answers, 2):
        if one.path != other.path:
            continue
        p = mann_whitney(answers[one].seconds, answers[other].seconds)
        bytes_alike = answers[one].different == answers[other].different and len(answers[one].different) == 1
        times = median(answers[other].seconds) / median(answers[one].seconds)
        alike &= p > LEAST and bytes_alike
        verdict = ("same bytes" if bytes_alike else "DIFFERENT BYTES") + ("" if p > LEAST else ", DIFFERENT TIME")
        print(f"{one.path:13} {one.account:8} {other.account:8} p {p:.3f}, medians 1 to {times:.3f}: {verdict}")
    return alike


def prove(server: Server, many: int, *, delayed: bool) -> bool:
    """Compare the endpoints that take a password. With `delayed`, accounts are delayed after a few wrong passwords, and
    stay delayed because the attempts continue."""
    server.settings |= {"NETWORK_ATTEMPTS": "0", "ACCOUNT_ATTEMPTS": "200" if delayed else "0"}
    server.stop()
    server.start()
    statuses = DELAYED if delayed else FAILED
    print("delayed:" if delayed else "not delayed:", flush=True)
    return report(run(measure(server.ports[0], requests(server), many, statuses)))


def prove_mail(server: Server, many: int) -> bool:
    server.settings |= {"NETWORK_ATTEMPTS": "0", "SIGN_UP": "on", "SMTP_URL": "file:mails"}
    server.stop()
    server.start()
    print("pages that send mail:", flush=True)
    pages = {path: MailPage(server, path) for path in _PAGES} | {_ACCOUNT_PAGE: AccountMailPage(server)}
    return report(run(measure_mail(server.ports[0], pages, many)))


def add_owners(server: Server, many: int) -> None:
    """Add the users who have the known addresses."""
    emails = ({"email": f"known{number}@example.com", "email_verified": True} for number in range(many))
    users = [{"username": f"user{n}", "password_hash": _HASH, "claims": email} for n, email in enumerate(emails)]
    server.nodes[0].command("user", "import", "-", input="".join(f"{json.dumps(user)}\n" for user in users))


def add_users(server: Server) -> None:
    node = server.nodes[0]
    node.command("user", "create", "eve", "--password-stdin", input=PASSWORD)
    node.command("user", "disable", "eve")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=2000, help="responses of each kind (default 2,000)")
    parser.add_argument("--mail", action="store_true", help="only the pages that send an email")
    parser.add_argument("--early", action="store_true", help="plant a fault; exit code 1 if it is not found")
    return parser.parse_args(arguments)


def main() -> int:
    asked = parse()
    with set_up() as server:
        add_users(server)
        add_owners(server, asked.answers)
        server.plant(EARLY if asked.early else None)
        alike = asked.mail or all([prove(server, asked.answers, delayed=delayed) for delayed in (False, True)])
        alike = (asked.early or prove_mail(server, asked.answers)) and alike
    if asked.early:
        print("seen" if not alike else "NOT SEEN: this proof is blind")
        return 1 if alike else 0
    print("no two kinds can be told apart" if alike else "SOME KINDS CAN BE TOLD APART")
    return 0 if alike else 1


if __name__ == "__main__":
    sys.exit(main())

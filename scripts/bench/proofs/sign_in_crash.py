"""Kills the server between any two steps of a sign-in (kill -9): a reload must continue the sign-in.

People sign in to a client and consent, and the client redeems their codes, again and again. In each round, they are new
users. The server kills itself around the commit of one of the steps. It is started again, and the person reloads the
page. Whether or not the step was committed, the person must get to the client, and no code may work twice. There must
be as many consents as events that report one, and as many authorizations as used codes.

    python3 scripts/bench/proofs/sign_in_crash.py                          100 kills on SQLite
    python3 scripts/bench/proofs/sign_in_crash.py --database postgresql
    python3 scripts/bench/proofs/sign_in_crash.py --naive              plants a fault: responses before their commit
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import add_arguments, use_venv

if __name__ == "__main__":
    use_venv()

import httpx2

from tests.harness import kill_at
from tests.harness.browser import VERIFIER, Browser, answer_of, is_answer, query
from tests.harness.constants import PASSWORD
from tests.harness.databases import Rows
from tests.harness.mutants import EARLY
from tests.harness.server import Server, set_up

CALLBACK = "https://client.example/cb"
POINTS = ("before-commit", "in-commit", "after-commit")
_COMMITS = 24
"""The server dies at one of its first 24 commits, at random. A sign-in has six, and background tasks make others."""
_PYTHON = ("-P", str(Path(kill_at.__file__)))
_HALVES = """
SELECT (SELECT count(*) FROM consents), (SELECT count(*) FROM events WHERE event = 'consent_given'),
       (SELECT count(*) FROM codes WHERE used_at IS NOT NULL), (SELECT count(*) FROM authorizations)
"""


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    sign_ins: int = 0
    faults: list[str] = field(default_factory=list)


class Person:
    """A browser in which somebody signs in to a client. It can be interrupted anywhere, and continues with a reload."""

    def __init__(self, server: Server, client_id: str, username: str) -> None:
        issuer = server.nodes[0].url
        self.http = httpx2.Client(base_url=issuer, timeout=60)
        self.browser, self.client_id, self.username = Browser(self.http, issuer), client_id, username
        self.redeemed: list[str] = []
        """The codes for which there were tokens."""
        self.begin()
        self.is_lost = False

    def begin(self) -> None:
        """Begin a new sign-in, at the client."""
        self.place = f"/authorize?{query(client_id=self.client_id, redirect_uri=CALLBACK, scope='openid')}"
        self.code = ""

    def sign_in(self) -> None:
        """Continue until there are tokens. Raises HTTPError if the server dies."""
        before = len(self.redeemed)
        while len(self.redeemed) == before and not self.is_lost:
            if self.code:
                self._redeem()
            else:
                self._go_on(self._visit(self.place))

    def redeem_again(self) -> None:
        """Present every code once more, as someone who has copied it."""
        for code in {self.code, *self.redeemed} - {""}:
            if self._ask_for_tokens(code).status_code == 200:
                self.redeemed.append(code)

    def _visit(self, url: str) -> Any:
        page = self.browser.get(url)
        if page.url.path.startswith("/interaction/"):
            self.place = page.url.path  # the address bar shows this, and a reload requests it
        return page

    def _go_on(self, page: Any) -> None:
        if is_answer(page):
            self.code = answer_of(page, CALLBACK)["code"]
        elif 'id="sign-in"' in page.text:
            self.browser.sign_in(page, username=self.username)
        elif 'id="allow"' in page.text:
            self.browser.allow(page)
        else:
            self.is_lost = True

    def _redeem(self) -> None:
        code = self.code
        tokens = self._ask_for_tokens(code)
        if tokens.status_code == 200:
            self.redeemed.append(code)
        else:  # it may have been redeemed by the request whose response was lost: the client begins a new sign-in
            self.begin()

    def _ask_for_tokens(self, code: str) -> Any:
        form = {"grant_type": "authorization_code", "client_id": self.client_id, "code": code}
        return self.http.post("/token", data=form | {"redirect_uri": CALLBACK, "code_verifier": VERIFIER})


def kill_once(server: Server, client_id: str, people: Sequence[str], tally: Tally) -> None:
    """People sign in until the server dies. It is started again, and they continue until they have tokens."""
    point, node = random.choice(POINTS), server.nodes[0]
    node.launch((*_PYTHON, point, str(random.randint(1, _COMMITS))))
    persons = [Person(server, client_id, name) for name in people]
    with suppress(ChildProcessError, httpx2.HTTPError):
        node.wait_until_ready()
        while not any(person.is_lost for person in persons):
            for person in persons:
                person.sign_in()
                person.begin()
                tally.sign_ins += 1
    node.kill()
    tally.kills[point] += 1
    check_rows(server, tally)
    node.launch()
    node.wait_until_ready()
    for person in persons:
        person.sign_in()
        person.redeem_again()
        tally.sign_ins += 1
        if person.is_lost:
            tally.faults.append(f"{point}: a person was left on a page that leads nowhere")
        if len(person.redeemed) > len(set(person.redeemed)):
            tally.faults.append(f"{point}: a code worked twice")
        person.http.close()
    check_rows(server, tally)
    node.stop()


def check_rows(server: Server, tally: Tally) -> None:
    is_running = server.nodes[0].is_running
    with closing(server.database.rows()) if is_running else server.database.rows_after_crash() as rows:
        tally.faults += halves(rows)


def halves(rows: Rows) -> list[str]:
    """Return what is in the database without its counterpart."""
    ((consents, recorded, used, begun),) = rows.select(_HALVES)
    halved = [] if consents == recorded else [f"{consents} consents, but {recorded} events consent_given"]
    return halved + ([] if used == begun else [f"{used} codes were used, but {begun} authorizations began"])


def try_kills(server: Server, asked: argparse.Namespace) -> Tally:
    """Kill the server as often as `asked` says, or until the first fault."""
    tally, until = Tally(), monotonic() + asked.minutes * 60
    node = server.nodes[0]
    client_id = node.command("client", "create", "SSO", "--kind", "spa", "--redirect-uri", CALLBACK)["client_id"]
    while tally.kills.total() < asked.kills and not tally.faults and monotonic() < until:
        people = [f"person-{tally.kills.total()}-{number}" for number in range(asked.people)]
        for name in people:
            node.command("user", "create", name, "--password-stdin", input=PASSWORD)
        kill_once(server, client_id, people, tally)
    for point in POINTS:
        print(f"killed {point:32}  {tally.kills[point]:8}")
    print(f"sign-ins {tally.sign_ins:40}")
    return tally


def measure(server: Server, asked: argparse.Namespace) -> bool:
    tally = try_kills(server, asked)
    for fault in tally.faults[:10]:
        print(f"    {fault}")
    few = tally.kills.total() < asked.kills and not tally.faults
    print(
        "too few kills"
        if few
        else f"{len(tally.faults)} FAULTS"
        if tally.faults
        else "every reload continued the sign-in"
    )
    return not tally.faults and not few


def look_for_plant(server: Server, asked: argparse.Namespace) -> bool:
    server.plant(EARLY)
    found = try_kills(server, asked).faults
    print(f"{EARLY.what}\n    {f'seen: {found[0]}' if found else 'NOT SEEN: this proof is blind'}")
    return bool(found)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="default 100")
    parser.add_argument(
        "--people", type=int, default=2, help="people who sign in before each kill, in turn (default 2)"
    )
    parser.add_argument(
        "--minutes", type=float, default=60, help="time limit; if it is reached, this fails (default 60)"
    )
    parser.add_argument("--naive", action="store_true", help="plant a fault; exit code 1 if it is not found")
    add_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = parse(arguments)
    with suppress(KeyboardInterrupt), set_up(asked.database, INTERACTION_LIMIT="0") as server:
        return 0 if (look_for_plant if asked.naive else measure)(server, asked) else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())

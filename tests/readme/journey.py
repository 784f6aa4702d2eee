"""A newcomer's way through README.md and the pages after it: what each block must have shown beside its output."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from tests.harness.constants import LONG
from tests.harness.process import free_port
from tests.readme.blocks import ROOT, Block, blocks
from tests.readme.callers import Caller, kid_of
from tests.readme.pages import NOT_RUN
from tests.readme.terminal import Foreground, Pasted, Shell
from tests.readme.transcript import assert_matches

PAGES = (
    "README.md",
    "docs/tutorial/first-token.md",
    "docs/tutorial/api.md",
    "docs/how-to/keys.md",
    "docs/explanation/performance.md",
)
"""In this order in one terminal, each where the one before it ends."""
QUICKSTART = "python3 scripts/quickstart.py\n"
SHORTER_BENCHMARK = ("--rounds 3 --seconds 2", "--rounds 1 --seconds 0.2 --connections 8")
MAY_FAIL = {"Measure it yourself 1": "1: python3 scripts/bench/speed/tokens.py "}
"""The bounds of the benchmark mean nothing while other tests run; it must print its table."""

Check = Callable[["Journey", Pasted], None]
CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    def keep(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return keep


@dataclass
class Journey:
    """Where the newcomer is; `seen` is what later checks need of earlier blocks."""

    folder: Path
    notes: Path
    environment: dict[str, str]
    ports: dict[str, int]
    """What stands in README.md, and the free port that is taken instead of it."""
    seen: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.server = f"http://127.0.0.1:{self.ports['8000']}"
        # README.md, Start: what a second terminal is told when the port is another
        self.shell = Shell(self.folder, self.environment | {"AUTHSERVER_ISSUER": self.server}, self.notes / "pasted")
        self.first_terminal: Foreground | None = None

    def go(self, page: str) -> None:
        found = blocks((ROOT / page).read_text())
        for block, after in zip(found, [*found[1:], None], strict=True):
            if block.file:
                # Where the second terminal is by now.
                (Path(self.ask("pwd")) / block.file).write_text(self._elsewhere(block.text))
            elif block.kind == "bash" and not block.note.startswith(NOT_RUN):
                shown = after.text if after and after.kind == "text" else None
                self._start(shown) if block.text == QUICKSTART else self._paste(block, shown)

    def _paste(self, block: Block, shown: str | None) -> None:
        before, after = AROUND.get(block.name, (_nothing, _nothing))
        before(self)
        pasted = self.shell.paste(f"{{ {self._elsewhere(block.text).replace(*SHORTER_BENCHMARK)}\n}} 2>&1")
        expected = MAY_FAIL.get(block.name, "nothing")
        unexpected = [failed for failed in pasted.failed if not failed.startswith(expected)]
        assert not unexpected, f"line {block.line}, {block.name}: {pasted}"
        if shown is not None:
            assert_matches(shown, self._as_on_the_page(pasted.out), f"line {block.line}, {block.name}")
        CHECKS.get(block.name, _no_check)(self, pasted)
        after(self)

    def ask(self, command: str) -> str:
        """What a command in the second terminal prints; it must not fail."""
        pasted = self.shell.paste(command)
        assert not pasted.failed, pasted
        return pasted.out.strip()

    def end(self) -> None:
        if "caller" in self.seen:
            self.seen["caller"].stop()
        self.shell.end()
        if self.first_terminal:
            self.first_terminal.end()

    def _start(self, shown: str | None) -> None:
        if self.first_terminal:  # the tutorial begins as README.md does
            return
        command = f"{QUICKSTART.strip()} --port {self.ports['8000']}"
        self.first_terminal = Foreground(command, self.folder, self.environment, self.notes / "quickstart.log")
        self.first_terminal.wait_until_it_serves(f"{self.server}/health/ready")
        log = self.first_terminal.log.read_text()
        assert f"serves {self.server}." in log
        [demo_port] = re.findall(r"^    http://127\.0\.0\.1:(\d+)$", log, re.MULTILINE)
        self.ports["8001"] = int(demo_port)
        assert_matches(f"{shown}...", self._as_on_the_page(log), "the first terminal")
        self._paste_first_line(log)

    def _paste_first_line(self, log: str) -> None:
        """As README.md asks, and what it says is printed then."""
        [line] = re.findall(r"Log in:\n +(.+)", log)
        [shown] = [block.text for block in blocks((ROOT / "README.md").read_text()) if block.kind == "json"]
        assert_matches(shown, self.shell.paste(line).err, "the first line to paste")  # by `tee /dev/stderr`

    def _elsewhere(self, text: str) -> str:
        return re.sub(rf"\b({'|'.join(self.ports)})\b", lambda found: str(self.ports[found[1]]), text)

    def _as_on_the_page(self, text: str) -> str:
        for port, taken in self.ports.items():
            text = text.replace(str(taken), port)
        return text


def _no_check(journey: Journey, pasted: Pasted) -> None:
    pass


def _nothing(journey: Journey) -> None:
    pass


def answers(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of an output."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


# docs/tutorial/first-token.md


@check("Create a user and a client 1")
def user_and_client(journey: Journey, pasted: Pasted) -> None:
    assert journey.ask("echo $CLIENT").startswith("c_")
    assert journey.ask("command -v authserver") == str(journey.folder / ".venv" / "bin" / "authserver")
    module = journey.ask("python3 -c 'import authserver; print(authserver.__file__)'")
    assert module == str(journey.folder / "authserver" / "__init__.py")


@check("Inspect the access token 2")
def published(journey: Journey, pasted: Pasted) -> None:
    [jwks] = answers(pasted.out)
    assert len(jwks["keys"]) == 2  # the one that signs, and the one that will
    journey.seen["jwks"] = jwks


@check("Refresh 1")
def refreshed(journey: Journey, pasted: Pasted) -> None:
    [refreshed] = answers(pasted.out)
    key = jwt.PyJWKSet.from_dict(journey.seen["jwks"])[kid_of(refreshed["access_token"])]
    claims = jwt.decode(
        refreshed["access_token"], key, ["RS256"], audience="https://api.example", issuer=journey.server
    )
    assert claims["scope"] == "read write"
    login = json.loads(journey.ask('echo "$LOGIN"'))
    assert refreshed["refresh_token"] != login["refresh_token"]
    assert refreshed["access_token"] != login["access_token"]


@check("A token for a service 1")
def service(journey: Journey, pasted: Pasted) -> None:
    [answer] = answers(pasted.out)
    assert "refresh_token" not in answer


# docs/tutorial/api.md


@check("401: no token 1")
def unauthorized(journey: Journey, pasted: Pasted) -> None:
    assert re.search(r"^HTTP/1.1 401 ", pasted.out, re.MULTILINE)
    assert "www-authenticate: Bearer " in pasted.out


@check("403: a token without the scope 1")
def forbidden(journey: Journey, pasted: Pasted) -> None:
    assert re.search(r"^HTTP/1.1 403 ", pasted.out, re.MULTILINE)
    assert 'error="insufficient_scope"' in pasted.out


@check("200: the right token 1")
def protected(journey: Journey, pasted: Pasted) -> None:
    [answer] = answers(pasted.out)
    assert answer["notes_of"].startswith("u_")


# docs/how-to/keys.md


@check("See the keys 1")
def looked_first(journey: Journey, pasted: Pasted) -> None:
    assert states(pasted.out)[journey.seen["kid"]] == "active"


@check("See the keys 2")
def refused_before_the_lead_time(journey: Journey, pasted: Pasted) -> None:
    early = journey.shell.paste("python3 scripts/rotate_keys.py")
    assert [failed.split(":")[0] for failed in early.failed] == ["3"]
    assert re.search(r"from \d{4}-\d\d-\d\dT[\d:]+Z, in", early.err)


@check("Rotate now 1")
def rotated(journey: Journey, pasted: Pasted) -> None:
    found = states(pasted.out)
    assert sorted(found.values()) == ["active", "pending", "retired"]
    assert found[journey.seen["kid"]] == "retired"


def states(listed: str) -> dict[str, str]:
    """Of each key, by its kid, in what `keys list` shows."""
    return dict(re.findall(r"^(\S{43}) +RS256 +(\w+) ", listed, re.MULTILINE))


def start_callers(journey: Journey) -> None:
    """Two APIs are served, and called with old and new tokens until the new key signs."""
    journey.ask("authserver snippet starlette > starlette_app.py")
    apis = []
    for name in ("fastapi_app", "starlette_app"):
        port = free_port()
        journey.ask(f"uvicorn {name}:app --port {port} >{journey.notes}/{name}.log 2>&1 &")
        apis.append(f"http://127.0.0.1:{port}/notes")
        journey.ask(f"curl -s --retry 20 --retry-delay 1 --retry-connrefused {apis[-1]}")
    login = json.loads(
        journey.ask(
            "curl -s $AUTH/token -d grant_type=password -d client_id=$CLIENT -d username=ada "
            '--data-urlencode "password=$PASSWORD"'
        )
    )
    journey.seen["kid"] = kid_of(login["access_token"])
    journey.seen["caller"] = caller = Caller(journey.server, journey.ask("echo $CLIENT"), login, apis)
    caller.start()


def stop_callers(journey: Journey) -> None:
    caller: Caller = journey.seen["caller"]
    caller.wait_for_another_key(LONG)  # the page says 5 seconds; more, for a machine that is running tests
    caller.stop()
    assert caller.failure is None, caller.failure
    assert {status for _, _, status in caller.answers} == {200}, caller.answers
    assert {kid for _, kid, _ in caller.answers} == {journey.seen["kid"], kid_of(caller.newest["access_token"])}


AROUND = {"See the keys 1": (start_callers, _nothing), "Rotate now 1": (_nothing, stop_callers)}


# docs/explanation/performance.md


@check("Measure it yourself 1")
def measured(journey: Journey, pasted: Pasted) -> None:
    for row in ("client_credentials", "refresh", "jwks"):
        assert re.search(rf"^{row} +\d+\.\d\d +\d+ ", pasted.out, re.MULTILINE), pasted
    assert re.search("^(The bounds are for|NOT HELD)", pasted.out, re.MULTILINE)

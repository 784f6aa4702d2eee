"""A newcomer's way through README.md: which block is replaced how, and what each must have shown."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from tests.harness.constants import LONG
from tests.harness.process import free_port
from tests.readme.blocks import Block
from tests.readme.callers import Caller, kid_of
from tests.readme.terminal import Foreground, Pasted, Shell

QUICKSTART = "python3 scripts/quickstart.py\n"
SHORTER_BENCHMARK = ("--rounds 3 --seconds 2", "--rounds 1 --seconds 0.2 --connections 8")
MAY_FAIL = {"Speed 1": "1: python3 scripts/bench/speed/tokens.py "}
"""The floors of the benchmark mean nothing while other tests run; it must print its table."""

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

    def go(self, block: Block) -> None:
        if block.text == QUICKSTART:
            self._start()
        elif block.file:
            (self.folder / block.file).write_text(self._elsewhere(block.text))
        else:
            before, after = AROUND.get(block.name, (_nothing, _nothing))
            before(self)
            pasted = self.shell.paste(self._elsewhere(block.text).replace(*SHORTER_BENCHMARK))
            expected = MAY_FAIL.get(block.name, "nothing")
            unexpected = [failed for failed in pasted.failed if not failed.startswith(expected)]
            assert not unexpected, f"line {block.line}, {block.name}: {pasted}"
            CHECKS[block.name](self, pasted)
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

    def _start(self) -> None:
        command = f"{QUICKSTART.strip()} --port {self.ports['8000']}"
        self.first_terminal = Foreground(command, self.folder, self.environment, self.notes / "quickstart.log")
        self.first_terminal.wait_until_it_serves(f"{self.server}/health/ready")
        assert f"serves {self.server}." in self.first_terminal.log.read_text()

    def _elsewhere(self, text: str) -> str:
        return re.sub(rf"\b({'|'.join(self.ports)})\b", lambda found: str(self.ports[found[1]]), text)


def _nothing(journey: Journey) -> None:
    pass


def answers(text: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of an output."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


# A first token


@check("A first token 1")
def user_and_client(journey: Journey, pasted: Pasted) -> None:
    assert [user["username"] for user in answers(pasted.out)] == ["ada"]
    assert journey.ask("echo $CLIENT").startswith("c_")
    assert journey.ask("command -v authserver") == str(journey.folder / ".venv" / "bin" / "authserver")
    module = journey.ask("python3 -c 'import authserver; print(authserver.__file__)'")
    assert module == str(journey.folder / "authserver" / "__init__.py")


@check("A first token 2")
def first_token(journey: Journey, pasted: Pasted) -> None:
    refreshed, jwks = answers(pasted.out)
    assert "access token: good here" in pasted.out
    key = jwt.PyJWKSet.from_dict(jwks)[kid_of(refreshed["access_token"])]
    claims = jwt.decode(
        refreshed["access_token"], key, ["RS256"], audience="https://api.example", issuer=journey.server
    )
    assert claims["scope"] == "read write"
    assert len(jwks["keys"]) == 2  # the one that signs, and the one that is announced
    login = json.loads(journey.ask('echo "$LOGIN"'))
    assert refreshed["refresh_token"] != login["refresh_token"]
    assert refreshed["access_token"] != login["access_token"]


@check("A first token 3")
def logged_out(journey: Journey, pasted: Pasted) -> None:
    revoked, refused = answers(pasted.out)
    assert revoked == {} and refused["error"] == "invalid_grant"


@check("A first token 4")
def service(journey: Journey, pasted: Pasted) -> None:
    [answer] = answers(pasted.out)
    assert answer["scope"] == "read"
    assert "refresh_token" not in answer


# Protect an API, log in from an app


@check("Protect an API 1")
def protected(journey: Journey, pasted: Pasted) -> None:
    with_token, refusal = answers(pasted.out)
    assert with_token["notes_of"].startswith("u_")
    assert refusal["error"] == "unauthorized"
    assert re.search(r"^HTTP/1.1 401 ", pasted.out, re.MULTILINE)
    assert "www-authenticate: Bearer " in pasted.out


@check("Test your API against a real issuer 1")
def tested(journey: Journey, pasted: Pasted) -> None:
    assert "1 passed" in pasted.out


@check("Log in from your own app 1")
def json_login(journey: Journey, pasted: Pasted) -> None:
    [protected] = answers(pasted.out)
    assert protected["client_id"] == "first-party"
    assert "HTTP/1.1 204 " in pasted.out
    members = {"refresh_token": json.loads(journey.ask('echo "$LOGIN"'))["refresh_token"]}
    [refused] = answers(journey.ask(f"""curl -s $AUTH/api/refresh-token -H "$JSON" -d '{json.dumps(members)}'"""))
    assert "access_token" not in refused


@check("Log in from your own app 2")
def cookie_login(journey: Journey, pasted: Pasted) -> None:
    login, refreshed = answers(pasted.out)
    assert login["access_token"] != refreshed["access_token"]
    assert "rt_" not in pasted.out
    assert not (journey.folder / "cookies.txt").exists()


# Rotate a key


@check("Rotate a key 1")
def looked_first(journey: Journey, pasted: Pasted) -> None:
    assert states(pasted.out)[journey.seen["kid"]] == "active"
    assert "Would be refused" in pasted.err
    early = journey.shell.paste("python3 scripts/rotate_keys.py")
    assert [failed.split(":")[0] for failed in early.failed] == ["3"]
    assert re.search(r"from \d{4}-\d\d-\d\dT[\d:]+Z on", early.err)


@check("Rotate a key 2")
def rotated(journey: Journey, pasted: Pasted) -> None:
    found = states(pasted.out)
    assert sorted(found.values()) == ["active", "pending", "retired"]
    assert found[journey.seen["kid"]] == "retired"


def states(listed: str) -> dict[str, str]:
    """Of each key, by its kid, in what `keys list` shows."""
    return dict(re.findall(r"^(\S{43}) +RS256 +(\w+) ", listed, re.MULTILINE))


def start_callers(journey: Journey) -> None:
    """Both APIs of the README are served, and called with old and new tokens until the new key signs."""
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
    caller.wait_for_another_key(LONG)  # README.md: within 5 seconds; more, for a machine that is running tests
    caller.stop()
    assert caller.failure is None, caller.failure
    assert {status for _, _, status in caller.answers} == {200}, caller.answers
    assert {kid for _, kid, _ in caller.answers} == {journey.seen["kid"], kid_of(caller.newest["access_token"])}


AROUND = {"Rotate a key 1": (start_callers, _nothing), "Rotate a key 2": (_nothing, stop_callers)}


# Run it, Speed


@check("Run it 1")
def served(journey: Journey, pasted: Pasted) -> None:
    health, metadata = answers(pasted.out)
    assert metadata["issuer"] == f"http://127.0.0.1:{journey.ports['8100']}"
    assert "The settings are good" in pasted.err
    assert journey.ask("pwd") == str(journey.folder)


@check("Speed 1")
def measured(journey: Journey, pasted: Pasted) -> None:
    for row in ("client_credentials", "refresh", "jwks"):
        assert re.search(rf"^{row} +\d+\.\d\d +\d+ ", pasted.out, re.MULTILINE), pasted
    assert re.search("^(every floor is held|BELOW A FLOOR)", pasted.out, re.MULTILINE)

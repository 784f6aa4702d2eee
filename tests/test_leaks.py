"""A copy of the database and the logs at debug level contain nothing that the server accepts.

A real server is used in every way, rightly and wrongly. Then every cell of the copy and every word of the log is tried
on the server as refresh token, access token, client secret, password and key, and known secrets are searched for.
"""

import json
import re
import sqlite3
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import RSAKey

from authserver.domain import refresh_token
from authserver.domain.errors import Misconfigured
from authserver.keyring import KeyEncryptionKeys, files
from tests.harness.constants import LONG, PASSWORD
from tests.harness.existing import existing
from tests.harness.live import Live, live
from tests.harness.process import run

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
TYPO = "correct horse battery stapel"
NEW_PASSWORD = "quite another and a much longer passphrase"


class Caller:
    """One kept connection, because there are thousands of tries."""

    def __init__(self, server: Live) -> None:
        self.server = server
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=LONG)
        self.close = self._connection.close

    def call(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        sent = json.dumps(body) if headers == JSON else body and urlencode(body)
        self._connection.request("POST" if body else "GET", path, sent, headers or FORM)
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else {}

    def token(self, grant_type: str, client: Any, **parameters: str) -> tuple[int, Any]:
        id, secret = client["client_id"], client["client_secret"]
        form = {"grant_type": grant_type, **parameters} | ({} if secret else {"client_id": id})
        return self.call("/token", form, basic(id, secret) if secret else None)


def basic(client_id: str, secret: str) -> dict[str, str]:
    return FORM | {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


@dataclass
class Scene:
    """What was done: the server that goes on, what it issued, and what an intruder has copied from it."""

    server: Live
    caller: Caller
    alive: Any
    """Untouched: its tokens are good to the end; and so are those of `api`, which are for /api/protected."""
    api: Any
    machine: Any
    secrets: dict[str, str | bytes] = field(default_factory=dict)
    copies: dict[str, bytes] = field(default_factory=dict)
    cells: set[str | bytes] = field(default_factory=set)
    words: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    settings = {"LOG_LEVEL": "debug", "ACCOUNT_ATTEMPTS": "0", "NETWORK_ATTEMPTS": "0"}  # thousands are tried
    with live(tmp_path_factory.mktemp("leaks"), **settings) as server:
        caller = Caller(server)
        # Before any server has the client in its cache; the old secret goes on for a day.
        machine = server.command("client", "rotate-secret", server.machine["client_id"])
        answers = use_rightly(server, caller)
        use_wrongly(server, caller, answers)
        _, begun = caller.token("password", server.app, username="ada", password=NEW_PASSWORD)
        _, alive = caller.token("refresh_token", server.app, refresh_token=begun["refresh_token"])
        _, api = caller.call("/api/login", {"username": "ada", "password": NEW_PASSWORD}, JSON)
        scene = Scene(server, caller, alive, api, machine)
        scene.secrets = secrets_of([*answers, begun, alive, api], server, machine)
        copy(scene)
        yield scene
        caller.close()


def use_rightly(server: Live, caller: Caller) -> list[Any]:
    answers = []

    def ask(grant_type: str, client: Any, **parameters: str) -> Any:
        status, answer = caller.token(grant_type, client, **parameters)
        assert status == 200, answer
        answers.append(answer)
        return answer

    first = ask("password", server.app, username="ada", password=PASSWORD)
    second = ask("refresh_token", server.app, refresh_token=first["refresh_token"])
    ask("refresh_token", server.app, refresh_token=first["refresh_token"])
    ask("refresh_token", server.app, refresh_token=second["refresh_token"])
    ask("client_credentials", server.machine, scope="read")
    _, answer = caller.call("/api/login", {"username": "ada", "password": PASSWORD}, JSON)
    answers.append(answer)
    caller.call("/api/protected", headers={"Authorization": f"Bearer {answer['access_token']}"})
    _, answer = caller.call("/api/refresh-token", {"refresh_token": answer["refresh_token"]}, JSON)
    answers.append(answer)
    headers = basic(server.machine["client_id"], server.machine["client_secret"])
    caller.call("/introspect", {"token": answer["refresh_token"]}, headers)
    return answers


def use_wrongly(server: Live, caller: Caller, answers: list[Any]) -> None:
    """Reuse, guesses, secrets in the wrong places, and what ends a login; then the password is changed."""
    app, machine = server.app, server.machine
    form = {"client_id": app["client_id"]}
    first, api = answers[0], answers[-1]
    assert caller.token("refresh_token", app, refresh_token=first["refresh_token"])[0] == 400  # reuse
    assert caller.token("password", app, username="ada", password=TYPO)[0] == 400
    assert caller.token("password", app, username=PASSWORD, password="ada")[0] == 400
    assert caller.token("client_credentials", machine | {"client_secret": "wrong"})[0] == 401
    assert caller.token("client_credentials", app | {"client_secret": machine["client_secret"]})[0] == 401
    assert caller.token("refresh_token", app, refresh_token=first["access_token"])[0] == 400
    assert caller.call(f"/token?{urlencode({'password': PASSWORD})}", form)[0] == 400
    assert caller.call(f"/{api['refresh_token']}")[0] == 404
    assert caller.call("/api/protected", headers={"Authorization": f"Bearer {api['refresh_token']}"})[0] == 401
    assert caller.call("/api/refresh-token", {"refresh_token": [api["refresh_token"]]}, JSON)[0] == 400
    assert caller.call("/revoke", form | {"token": first["access_token"]})[0] == 200
    assert caller.call("/api/logout", {"refresh_token": api["refresh_token"]}, JSON)[0] == 204
    change = ("user", "set-password", "ada", "--password-stdin")
    run(*change, folder=server.folder, input=NEW_PASSWORD, settings=server.settings)


def secrets_of(answers: list[Any], server: Live, machine: Any) -> dict[str, str | bytes]:
    """Everything that must be nowhere, by a name: passwords, secrets, tokens, private keys and what seals them."""
    found: dict[str, str | bytes] = {"password": PASSWORD, "typo": TYPO, "new password": NEW_PASSWORD}
    found |= {"client secret": server.machine["client_secret"], "new client secret": machine["client_secret"]}
    for number, answer in enumerate(answers):
        found[f"signature {number}"] = answer["access_token"].rpartition(".")[2]
        if "refresh_token" in answer:
            found[f"refresh token {number}"] = answer["refresh_token"]
            found[f"MAC {number}"] = urlsafe_b64decode(answer["refresh_token"][3:])[-32:]
    keks = files.read(server.folder / "keys")
    found |= {f"key-encryption key {number}": key for number, key in enumerate(keks.values())}
    return found | opened_keys(server.folder, KeyEncryptionKeys(keks))


def opened_keys(folder: Path, keks: KeyEncryptionKeys) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {}
    for kid, wrapped in rows(folder / "authserver.db", "SELECT kid, wrapped FROM signing_keys"):
        key = json.loads(keks.unwrap(kid, wrapped))
        found |= {f"{member} of {kid}": urlsafe_b64decode(key[member] + "==") for member in ("d", "p", "q", "dp", "qi")}
    refresh_keys = rows(folder / "authserver.db", "SELECT id, wrapped FROM refresh_keys")
    return found | {id: keks.unwrap(id, wrapped) for id, wrapped in refresh_keys}


def rows(file: Path, statement: str) -> list[Any]:
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def copy(scene: Scene) -> None:
    """The files as they lie there, while the server runs."""
    folder, taken = scene.server.folder, scene.server.folder / "taken"
    taken.mkdir()
    for file in (*folder.glob("authserver.db*"), scene.server.log):
        scene.copies[file.name] = file.read_bytes()
        (taken / file.name).write_bytes(scene.copies[file.name])
    tables = [name for (name,) in rows(taken / "authserver.db", "SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        for row in rows(taken / "authserver.db", f"SELECT * FROM {table}"):
            scene.cells.update(cell for cell in row if isinstance(cell, str | bytes) and cell)
    log = scene.copies[scene.server.log.name].decode()
    log = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", " ", log)
    for pattern in (r'"([^"]+)"', r'[^\s"{},]+', r"[\w.-]+"):
        scene.words.update(re.findall(pattern, log))


def forms(secret: str | bytes) -> Iterator[bytes]:
    raw = secret.encode() if isinstance(secret, str) else secret
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield b64encode(raw).rstrip(b"=")
    yield urlsafe_b64encode(raw).rstrip(b"=")
    yield urlencode({"": raw}).encode()[1:]


def check_that_nothing_is_missing(scene: Scene) -> None:
    assert {"authserver.db", "authserver.db-wal", "server.log"} <= scene.copies.keys()
    assert len(scene.secrets) > 30 and len(scene.cells) > 30 and len(scene.words) > 50
    events = {json.loads(line)["event"] for line in scene.copies["server.log"].splitlines() if line.startswith(b"{")}
    assert {"login", "refused", "refresh_token_reused", "refresh_token_retried", "revoked"} <= events


def check_that_the_search_sees(scene: Scene) -> None:
    database = scene.copies["authserver.db"] + scene.copies["authserver.db-wal"]
    (salt,) = rows(scene.server.folder / "authserver.db", "SELECT salt FROM authorizations LIMIT 1")[0]
    assert stands(salt, database) and stands(scene.machine["client_id"], database)
    assert stands(scene.server.user["id"], scene.copies["server.log"])


def standing(scene: Scene) -> list[str]:
    found = []
    for file, content in scene.copies.items():
        found += [f"{name} in {file}" for name in scene.secrets if stands(scene.secrets[name], content)]
    return found


def stands(secret: str | bytes, content: bytes) -> bool:
    return any(form in content for form in forms(secret))


def candidates(scene: Scene) -> list[str]:
    """Everything in the copy, as text that can be sent; blobs in every form."""
    found = set(scene.words)
    for cell in scene.cells:
        if isinstance(cell, str):
            found |= {cell, *cell.split()}
        else:
            found |= {form.decode("latin-1") for form in forms(cell)}
    return sorted(candidate for candidate in found if len(candidate) >= 6)


def as_bytes(text: str) -> Iterator[bytes]:
    """The keys that a text may stand for."""
    yield text.encode()
    with suppress(ValueError):
        yield bytes.fromhex(text)
    with suppress(ValueError):
        yield b64decode(text + "=" * (-len(text) % 4), "-_", validate=True)


def opens(scene: Scene, key: bytes) -> bool:
    with suppress(Misconfigured):
        (row, *_) = rows(scene.server.folder / "authserver.db", "SELECT id, wrapped FROM refresh_keys")
        return len(key) == 32 and bool(KeyEncryptionKeys({"candidate": key}).unwrap(*row))
    return False


def renders(scene: Scene, key: bytes) -> bool:
    alive = existing(refresh_token.parse(scene.alive["refresh_token"]))
    salts = dict(rows(scene.server.folder / "authserver.db", "SELECT id, salt FROM authorizations"))
    return refresh_token.is_genuine(alive, key=key, salt=salts[alive.authorization_id])


def is_private(text: str) -> bool:
    with suppress(Exception):
        return bool(RSAKey.import_key(json.loads(text) if text.startswith("{") else text).is_private)
    return False


def is_refresh_token(scene: Scene, text: str) -> bool:
    by_form, _ = scene.caller.token("refresh_token", scene.server.app, refresh_token=text)
    by_json, _ = scene.caller.call("/api/refresh-token", {"refresh_token": text}, JSON)
    return 200 in (by_form, by_json)


def is_access_token(scene: Scene, text: str) -> bool:
    headers = {"Authorization": f"Bearer {text}"}
    return bool(re.fullmatch("[!-~]+", text)) and scene.caller.call("/api/protected", headers=headers)[0] == 200


def is_client_secret(scene: Scene, text: str) -> bool:
    return scene.caller.token("client_credentials", scene.machine | {"client_secret": text})[0] == 200


def is_password(scene: Scene, text: str) -> bool:
    return scene.caller.token("password", scene.server.app, username="ada", password=text)[0] == 200


def is_key(scene: Scene, text: str) -> bool:
    """Opens what is wrapped, makes the refresh token that is alive, or is itself a private key."""
    return is_private(text) or any(opens(scene, key) or renders(scene, key) for key in as_bytes(text))


TRIES = (is_refresh_token, is_access_token, is_client_secret, is_password, is_key)


def right(scene: Scene) -> list[str]:
    """What each of TRIES does accept."""
    tokens = [scene.alive["refresh_token"], scene.api["access_token"]]
    key = next((scene.server.folder / "keys").iterdir()).read_text().strip()
    return [*tokens, scene.machine["client_secret"], NEW_PASSWORD, key]


def test_a_copy_of_the_database_and_the_log_contains_nothing_that_the_server_accepts(scene: Scene) -> None:
    check_that_nothing_is_missing(scene)
    check_that_the_search_sees(scene)
    assert standing(scene) == []
    accepted = {is_it.__name__: [text for text in candidates(scene) if is_it(scene, text)] for is_it in TRIES}
    assert accepted == {is_it.__name__: [] for is_it in TRIES}
    # Last: a lock-out, or a server that has gone, would have made the tries blind.
    assert [is_it(scene, text) for is_it, text in zip(TRIES, right(scene), strict=True)] == [True] * len(TRIES)

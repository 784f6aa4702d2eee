"""scripts/rotate_keys.py killed at every seventh step beside two servers, one of which is killed and started, too."""

import json
import shutil
import time
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from authserver.resource import Guard
from tests.cli import test_keys_rotate_killed as killed
from tests.harness.constants import LONG
from tests.harness.live import Live
from tests.harness.process import run

pytestmark = pytest.mark.slow

ISSUER = "http://127.0.0.1:8000"
"""The default, wherever the servers really are."""
EVERY = 7
"""What each single step leaves behind, test_keys_rotate_killed.py has seen; here servers meet it."""
template = killed.template


@pytest.fixture(scope="module")
def client(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The template with a client, and how the client authenticates."""
    folder = tmp_path_factory.mktemp("served") / "template"
    shutil.copytree(template, folder)
    grant = ["--grant", "client_credentials", "--scope", "read", "--audience", "https://api.example"]
    made = json.loads(run("client", "create", "Machine", *grant, "--json", folder=folder).stdout)
    return folder, "Basic " + b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()


class Node(Live):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, ISSUER=ISSUER)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        with urllib.request.urlopen(f"{self.url}/.well-known/jwks.json", timeout=LONG) as answer:
            jwks: dict[str, list[dict[str, str]]] = json.load(answer)
            return jwks

    def token(self, authorization: str) -> str:
        asked = urllib.request.Request(
            f"{self.url}/token", b"grant_type=client_credentials", {"Authorization": authorization}
        )
        with urllib.request.urlopen(asked, timeout=LONG) as answer:
            return str(json.load(answer)["access_token"])


class Watch:
    """Asks a node that nobody kills for its keys, all the time."""

    def __init__(self, node: Node) -> None:
        self._node, self._ended, self.answers = node, False, 0

    def watch(self) -> None:
        while not self._ended:
            assert self._node.jwks()["keys"]
            self.answers += 1
            time.sleep(0.005)

    def end(self) -> None:
        self._ended = True


def assert_verified(node: Node, tokens: list[str]) -> None:
    """Now, and not only when the node has read what changed: whoever signs first, the others have published the key."""
    guard = Guard(ISSUER, "https://api.example", keys=node.jwks())
    assert all(guard.verify(token) for token in tokens)


def rotated_beside(nodes: tuple[Node, Node], authorization: str, kill: Callable[[int, Path], int], step: int) -> int:
    """How the script ended that was killed at this step, while the first node was killed and started again."""
    first, second = nodes
    for node in nodes:
        node.launch()
    for node in nodes:
        node.wait_until_ready()
    tokens, watch, before = [node.token(authorization) for node in nodes], Watch(second), killed.kids(first.folder)
    with ThreadPoolExecutor() as threads:
        watching = threads.submit(watch.watch)
        first.kill()
        first.launch()
        code: int = kill(step, first.folder)
        first.wait_until_ready()
        watch.end()
        watching.result()
    assert watch.answers
    killed.assert_right(first.folder, before)
    for node in nodes:
        assert_verified(node, [*tokens, *(each.token(authorization) for each in nodes)])
    for node in nodes:
        node.kill()
    return code


def test_servers_beside_it_answer_and_verify_whenever_it_is_killed(client: tuple[Path, str], tmp_path: Path) -> None:
    template, authorization = client
    with killed.killer(killed.SCRIPT, "--due") as kill:  # promotes, destroys and removes
        for step in count(1, EVERY):
            folder = tmp_path / str(step)
            shutil.copytree(template, folder)
            if rotated_beside((Node(folder), Node(folder)), authorization, kill, step) != -9:
                break
    assert step > 2 * EVERY, "it was hardly ever killed"

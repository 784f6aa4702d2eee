"""Another server of the same protocol on this machine, which is measured in turn with ours, with the same load."""

import argparse
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from urllib.parse import quote, urlsplit

from scripts.bench.speed.targets import Raw, Usage, cpu_of, pin, raw_elsewhere
from tests.harness.http_client import HOST, Response, get, post


@dataclass(frozen=True)
class Peer:
    """The other server. `pid` is its first process."""

    name: str
    port: int
    pid: int
    clients: "PeerClients"
    core: int

    def usage(self) -> Usage:
        return Usage(cpu_of(self.pid), None)

    def raw(self, kind: str, seconds: float) -> Raw:
        return raw_elsewhere(kind, self.core, seconds)


class PeerClients:
    def __init__(
        self,
        token_url: str,
        credentials: tuple[str, str],
        form: Mapping[str, str],
        tokens: Sequence[str] = (),
        jwks_url: str = "",
        connections: int = 1,
    ) -> None:
        """`credentials` are the id and the secret of one client. `form` has the parameters that this server needs
        besides the standard ones. `tokens` are refresh tokens of the client, at least one for each connection."""
        basic = b64encode(":".join(map(quote, credentials)).encode()).decode()
        self._path, self._form = urlsplit(token_url).path, dict(form)
        self._authorization = f"Basic {basic}"
        self._tokens = [deque(tokens[number::connections]) for number in range(connections)]
        self._jwks = get(urlsplit(jwks_url).path)
        self.operations = (
            "client_credentials",
            *(["refresh"] if len(tokens) >= connections else []),
            *(["jwks"] if jwks_url else []),
        )

    def request(self, operation: str, number: int) -> bytes | None:
        if operation == "jwks":
            return self._jwks
        if operation == "refresh":
            return self._post({"grant_type": "refresh_token", "refresh_token": self._tokens[number][0]})
        return self._post({"grant_type": "client_credentials"})

    def take(self, operation: str, number: int, response: Response) -> None:
        """Remember the new refresh token. A server that does not replace refresh tokens sends none."""
        if operation == "refresh" and (token := response.refresh_token):
            self._tokens[number].popleft()
            self._tokens[number].append(token)

    def left(self, operation: str, number: int) -> float:
        """No operation uses anything up."""
        return inf

    def forget(self) -> None:
        """Do nothing: there are no codes."""

    def _post(self, form: dict[str, str]) -> bytes:
        return post(self._path, form | self._form, authorization=self._authorization)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("another server on this machine, measured in the same rounds")
    group.add_argument("--token-url", help=f"its token endpoint, at http://{HOST}")
    group.add_argument("--peer", default="the other server", metavar="NAME", help="its name in the results")
    group.add_argument(
        "--pid", type=int, help="its first process; all its processes are pinned to the core of our server"
    )
    group.add_argument(
        "--client-id", default="machine", help="a confidential client that may use client_credentials (default machine)"
    )
    group.add_argument("--client-secret", default="", help="the secret of that client")
    group.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="add this parameter to every request (repeatable)",
    )
    group.add_argument(
        "--refresh-tokens", type=Path, metavar="FILE", help="refresh tokens of that client, one on each line"
    )
    group.add_argument("--jwks-url", help="its key set")


def from_arguments(asked: argparse.Namespace, cores: Sequence[int]) -> Peer:
    """Return the other server, pinned to the first core. Exits if it is not on this machine."""
    parts = urlsplit(asked.token_url)
    if parts.scheme != "http" or parts.hostname not in (HOST, "localhost") or not asked.pid:
        sys.exit(f"Error: --token-url must begin with http://{HOST}, and needs --pid.")
    pin(asked.pid, cores[:1])
    tokens = asked.refresh_tokens.read_text().split() if asked.refresh_tokens else []
    clients = PeerClients(
        asked.token_url,
        (asked.client_id, asked.client_secret),
        dict(each.split("=", 1) for each in asked.parameter),
        tokens,
        asked.jwks_url or "",
        max(asked.connections),
    )
    return Peer(asked.peer, parts.port or 80, asked.pid, clients, cores[0])

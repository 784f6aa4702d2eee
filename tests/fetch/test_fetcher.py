"""The guard of outgoing requests, against real servers."""

import asyncio
import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from threading import Barrier, Event
from typing import Any, BinaryIO

import pytest

from authserver.domain.outgoing import Address, AllowList, allow_list
from authserver.fetch import Fetcher, FetchFailed, Response
from tests.harness.certificate import make_certificate
from tests.harness.constants import LONG
from tests.harness.receiver import Receiver, receiving, responding

HOST = "hooks.example"
HERE = ip_address("127.0.0.1")
ALLOWED = allow_list(HOST)
SHORT = 0.5
"""Seconds that an exchange may take where the server takes longer."""
Post = Callable[..., Response]
HEADERS = b"HTTP/1.1 200 OK\r\n"


class Names:
    """A resolver that answers from a list, and then the last answer again."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = answers, list[str]()

    def __call__(self, host: str) -> Sequence[Address]:
        answer = self.answers[min(len(self.asked), len(self.answers) - 1)]
        self.asked.append(host)
        return [ip_address(word) for word in answer.split()]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder, HOST)
    return folder


@pytest.fixture
def server(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """HTTPS for HOST on 127.0.0.1, with a certificate that is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "crt"))
    with receiving(certificate) as server:
        yield server


@contextmanager
def fetching(allowed: AllowList, names: Callable[[str], Sequence[Address]], timeout: float) -> Iterator[Fetcher]:
    fetcher = Fetcher(allowed, names, timeout)
    try:
        yield fetcher
    finally:
        fetcher.close()


def post(
    url: str,
    allowed: AllowList = ALLOWED,
    names: Callable[[str], Sequence[Address]] | None = None,
    timeout: float = LONG,
    **options: Any,
) -> Response:
    with fetching(allowed, names or Names("127.0.0.1"), timeout) as fetcher:
        return asyncio.run(fetcher.post(url, b"{}", {"Content-Type": "application/json"}, **options))


def test_a_request_goes_to_the_checked_address_with_the_name_of_the_host(server: Receiver) -> None:
    server.respond = responding(201, b"done", X_Own="1")
    response = post(f"https://{HOST}:{server.port}/audit?from=here")
    assert (response.status, response.body, response.headers["x-own"]) == (201, b"done", "1")
    [received] = server.received
    assert (received.path, received.body) == ("/audit?from=here", b"{}")
    assert received.headers["host"] == f"{HOST}:{server.port}"
    assert received.headers["content-type"] == "application/json"
    assert not {"cookie", "authorization", "proxy-authorization"} & received.headers.keys()
    assert server.names == [HOST]


def test_an_exchange_that_has_ended_leaves_no_watchdog(server: Receiver) -> None:
    assert post(f"https://{HOST}:{server.port}/").status == 204
    watchdogs = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for watchdog in watchdogs:
        watchdog.join(10)
    assert not any(watchdog.is_alive() for watchdog in watchdogs)


def test_a_url_without_a_port_means_the_one_of_its_scheme_and_so_does_the_host_that_is_sent(
    server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, asked = socket.create_connection, []

    def to_server(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address[1])
        return connect((address[0], server.port if address[1] == 443 else plain.port), timeout)

    monkeypatch.setattr(socket, "create_connection", to_server)
    with receiving() as plain:
        assert post(f"https://{HOST}/").status == post(f"http://{HOST}/").status == 204
    assert asked == [443, 80]
    assert [each.headers["host"] for each in (*server.received, *plain.received)] == [HOST, HOST]


def test_a_name_that_changes_its_address_after_the_check_is_resolved_only_once(server: Receiver) -> None:
    """DNS rebinding: the first answer is what is checked and used."""
    names = Names("127.0.0.1", "10.0.0.1")
    assert post(f"https://{HOST}:{server.port}/", names=names).status == 204
    assert names.asked == [HOST]


@pytest.mark.parametrize("answer", ["127.0.0.1", "8.8.8.8 127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254"])
def test_a_host_with_an_address_that_is_not_public_gets_no_connection(server: Receiver, answer: str) -> None:
    with pytest.raises(FetchFailed, match=f"which is not public. If it is one of yours: AUTHSERVER_FETCH_ALLOW={HOST}"):
        post(f"https://{HOST}:{server.port}/", AllowList(), Names(answer))
    assert server.names == []


def test_the_next_address_is_used_if_nothing_listens_on_the_first(server: Receiver) -> None:
    assert post(f"https://{HOST}:{server.port}/", names=Names("::1 127.0.0.1")).status == 204


def test_a_host_without_an_address_is_named() -> None:
    def unknown(host: str) -> Sequence[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(FetchFailed, match=f"The host {HOST} has no address"):
        post(f"https://{HOST}/", names=unknown)


def test_the_systems_resolver_is_the_default() -> None:
    with receiving() as server:
        fetcher = Fetcher(allow_list("localhost"))
        assert asyncio.run(fetcher.post(f"http://localhost:{server.port}/", b"", {})).status == 204
        fetcher.close()


def test_a_certificate_of_another_host_is_refused(server: Receiver) -> None:
    with pytest.raises(FetchFailed, match="CERTIFICATE_VERIFY_FAILED"):
        post(f"https://other.example:{server.port}/", allow_list("other.example"))
    assert server.received == []


def test_http_is_refused_unless_the_allow_list_names_the_host() -> None:
    with receiving() as server:
        assert post(f"http://{HOST}:{server.port}/").status == 204
        with pytest.raises(FetchFailed, match="is http"):
            post(f"http://{HOST}:{server.port}/", allow_list("127.0.0.0/8"))
        assert post(f"http://127.0.0.1:{server.port}/", allow_list("127.0.0.0/8")).status == 204
    assert len(server.received) == 2


def test_a_proxy_in_the_environment_is_not_used(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert post(f"https://{HOST}:{server.port}/").status == 204


def test_a_response_of_64_kib_is_read_and_a_larger_one_refused(server: Receiver) -> None:
    server.respond = responding(200, b"x" * 65536)
    assert len(post(f"https://{HOST}:{server.port}/").body) == 65536
    server.respond = responding(200, b"x" * 65537)
    with pytest.raises(FetchFailed, match="larger than 65536 bytes"):
        post(f"https://{HOST}:{server.port}/")


@pytest.mark.parametrize(
    "response",
    [
        HEADERS + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n%s\r\n" % (b"x" * 0x4000) * 5 + b"0\r\n\r\n",
        HEADERS + b"\r\n" + b"x" * 70_000,
        HEADERS + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 70_000,
        HEADERS + b"Content-Length: -1\r\n\r\n" + b"x" * 70_000,
    ],
    ids=["in chunks", "without a length", "with another length", "with a negative length"],
)
def test_a_larger_response_is_refused_however_its_size_is_said(server: Receiver, response: bytes) -> None:
    server.respond = lambda connection: connection.write(response)
    with pytest.raises(FetchFailed, match="larger than 65536 bytes"):
        post(f"https://{HOST}:{server.port}/")


@pytest.mark.parametrize(
    "headers",
    [b"X: " + b"x" * 70_000 + b"\r\n", b"X: 1\r\n" * 101, b"X" * 70_000],
    ids=["a long one", "many", "a long name"],
)
def test_headers_that_are_long_or_many_are_refused(server: Receiver, headers: bytes) -> None:
    server.respond = lambda connection: connection.write(HEADERS + headers + b"\r\n")
    with pytest.raises(FetchFailed, match="There was no response"):
        post(f"https://{HOST}:{server.port}/")


def test_a_response_is_not_decompressed(server: Receiver) -> None:
    """A few bytes could become gigabytes; the request says that none of this is wanted."""
    server.respond = responding(200, gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")
    response = post(f"https://{HOST}:{server.port}/")
    assert len(response.body) < 65536 and gzip.decompress(response.body)[:1] == b"\0"
    [received] = server.received
    assert received.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("content_type", ["", "text/html", "application/jsonx", "x; application/json", "application"])
def test_a_response_of_another_type_or_none_is_refused(server: Receiver, content_type: str) -> None:
    server.respond = responding(200, b"{}", **({"Content_Type": content_type} if content_type else {}))
    with pytest.raises(FetchFailed, match="is not application/json"):
        post(f"https://{HOST}:{server.port}/", content_type="application/json")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304, 305])
@pytest.mark.parametrize("location", ["http://127.0.0.1:1/", "file:///etc/passwd", "//rp.example/", "/elsewhere", "\\"])
def test_no_kind_of_redirect_is_followed(server: Receiver, status: int, location: str) -> None:
    server.respond = responding(status, Location=location)
    assert post(f"https://{HOST}:{server.port}/").status == status
    assert len(server.received) == 1


def test_a_response_of_another_type_is_refused_where_one_is_demanded(server: Receiver) -> None:
    server.respond = responding(200, b"{}", Content_Type="Application/JSON; charset=utf-8")
    assert post(f"https://{HOST}:{server.port}/", content_type="application/json").body == b"{}"
    server.respond = responding(200, b"<html>", Content_Type="text/html")
    with pytest.raises(FetchFailed, match="is not application/json"):
        post(f"https://{HOST}:{server.port}/", content_type="application/json")


def drip(text: bytes) -> Callable[[BinaryIO], object]:
    def respond(connection: BinaryIO) -> None:
        connection.write(text)
        while True:
            connection.write(b"x")
            connection.flush()
            Event().wait(0.02)

    return respond


def repeat(text: bytes) -> Callable[[BinaryIO], object]:
    def respond(connection: BinaryIO) -> None:
        while True:
            connection.write(text)
            connection.flush()
            Event().wait(0.002)

    return respond


@pytest.mark.parametrize(
    "respond",
    [
        lambda connection: Event().wait(3 * SHORT),
        drip(b""),
        drip(HEADERS + b"X: "),
        drip(HEADERS + b"\r\n"),
        drip(HEADERS + b"Content-Length: 60000\r\n\r\n"),
        drip(HEADERS + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx"),
        drip(HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"),
        repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
        repeat(b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n"),
    ],
    ids=[
        *("silent", "no status", "endless headers", "no length", "slow body", "no chunk", "endless size of a chunk"),
        *("always another status to come", "always another status to come, with headers"),
    ],
)
def test_an_exchange_ends_after_its_time_whatever_the_server_sends(server: Receiver, respond: Any) -> None:
    server.respond = respond
    with pytest.raises(FetchFailed, match=r" 0\.5 s"):
        post(f"https://{HOST}:{server.port}/", timeout=SHORT)


def test_a_server_that_never_completes_the_handshake_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchFailed, match=r"0.5 s"):
        post(f"https://{HOST}:{silent.getsockname()[1]}/", timeout=SHORT)


def test_a_resolver_that_hangs_is_left() -> None:
    may_end = Event()

    def hang(host: str) -> Sequence[Address]:
        may_end.wait(LONG)
        return [HERE]

    async def left(fetcher: Fetcher) -> None:
        with pytest.raises(FetchFailed, match=r"0.5 s"):
            await fetcher.post(f"https://{HOST}/", b"", {})
        may_end.set()

    with fetching(ALLOWED, hang, SHORT) as fetcher:
        asyncio.run(left(fetcher))


def test_a_third_request_to_one_host_fails_at_once_and_others_are_sent() -> None:
    may_end, both_wait = Event(), Barrier(3)

    def respond(connection: BinaryIO) -> object:
        if not may_end.is_set():
            both_wait.wait(LONG)
        return may_end.wait(LONG) and responding(204)(connection)

    async def four(fetcher: Fetcher) -> list[Any]:
        with receiving() as slow, receiving() as quick:
            slow.respond = respond
            url = f"http://slow.example:{slow.port}/"
            two = [asyncio.create_task(fetcher.post(url, b"", {})) for _ in range(2)]
            await asyncio.to_thread(both_wait.wait, LONG)
            with pytest.raises(FetchFailed, match="2 requests to slow.example are already running"):
                await fetcher.post(url, b"", {})
            other = await fetcher.post(f"http://quick.example:{quick.port}/", b"", {})
            may_end.set()
            first = await asyncio.gather(*two)
            return [*first, other, await fetcher.post(url, b"", {})]

    with fetching(allow_list("slow.example,quick.example"), Names("127.0.0.1"), LONG) as fetcher:
        assert [response.status for response in asyncio.run(four(fetcher))] == [204] * 4


def test_a_host_has_as_many_places_as_it_has_no_request_running_and_is_forgotten_after_the_last() -> None:
    with fetching(ALLOWED, Names("127.0.0.1"), LONG) as fetcher:
        with fetcher._one_of_few(HOST):
            for _ in range(2):
                with fetcher._one_of_few(HOST), pytest.raises(FetchFailed), fetcher._one_of_few(HOST):
                    pass
        assert not fetcher._running


@pytest.mark.parametrize("text", [b"SSH-2.0-secret\r\n", b"HTTP/1.1 secret\r\n\r\n", b""])
def test_what_is_not_http_is_refused_and_not_repeated(server: Receiver, text: bytes) -> None:
    server.respond = lambda connection: connection.write(text)
    with pytest.raises(FetchFailed) as caught:
        post(f"https://{HOST}:{server.port}/")
    assert "There was no response" in str(caught.value) and "secret" not in str(caught.value)

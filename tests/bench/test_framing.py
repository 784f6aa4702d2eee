"""Where a request ends: as h11 has it, or refused: upgrades, trailers and lengths, cut in every way."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from authserver.serving import framing
from authserver.serving.connection import Connection
from scripts.bench.fuzz.framing import ANSWERS_FIRST, READS, Comparison, Driver, compare, run
from scripts.bench.fuzz.http_streams import SMUGGLED

HEAD = b"POST /first HTTP/1.1\r\nHost: as.example\r\n"
SECOND = b"GET /second HTTP/1.1\r\nHost: as.example\r\n\r\n"
OFFERS = [
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"connection: keep-alive, upgrade\r\nupgrade: anything\r\n",
]


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    driver = Driver(Connection)
    yield driver
    driver.close()


def read(driver: Any, stream: Any, size: Any = None, style: Any = READS) -> Any:
    """What the application got of the stream in segments of that size; whether the connection was closed; statuses."""
    size = size or len(stream)
    segments = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    reading, written = driver.read(segments, style)
    return [(each.target, each.body) for each in reading.requests], reading.is_closed, statuses(written)


def statuses(written: Any) -> Any:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", written)]


@given(st.randoms(use_true_random=False))
def test_any_stream_is_read_as_h11_reads_it_or_refused(driver: Any, random: Any) -> None:
    found = Comparison()
    compare(driver, random, found)
    assert found.faults == []


def test_most_streams_are_read_to_their_end() -> None:
    found = run(Connection, 500, [2])
    assert found.faults == []
    assert found.counts["streams read to the end by both"] > 375  # requests that a refusal overtakes are not begun
    assert found.counts["requests"] > 700


def test_the_comparison_sees_what_uvicorns_own_protocol_does() -> None:
    assert run(HttpToolsProtocol, 50, [1]).faults


@pytest.mark.parametrize("size", [1, 7, len(HEAD), 100_000])
@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("style", [READS, ANSWERS_FIRST])
def test_the_body_of_a_request_that_offers_to_upgrade_is_its_body(
    driver: Any, offer: bytes, size: Any, style: Any
) -> None:
    """RFC 9110 s7.8: a server MAY ignore a received Upgrade header field."""
    length = b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)
    requests, is_closed, answered = read(driver, HEAD + offer + length + SMUGGLED + SECOND, size, style)
    body = SMUGGLED if style == READS else b""
    assert (requests, is_closed, answered) == ([(b"/first", body), (b"/second", b"")], False, [200, 200])


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("offer", OFFERS)
def test_so_is_a_chunked_one(driver: Any, offer: bytes, size: int) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"
    requests, is_closed, _ = read(driver, HEAD + offer + chunks + SECOND, size)
    assert (requests, is_closed) == ([(b"/first", SMUGGLED), (b"/second", b"")], False)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "start",
    [
        b"CONNECT as.example:443 HTTP/1.1\r\nHost: as.example:443\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        HEAD + b"X: a\r\n Content-Length: 3\r\n\r\n",
        HEAD + b"X: a\n\n",
        HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_refused_closes_the_connection_and_nothing_behind_it_is_read(
    driver: Any, start: Any, size: int
) -> None:
    assert read(driver, start + SECOND, size) == ([], True, [400])


@pytest.mark.parametrize(
    "chunks",
    [b"1\nx\n", b"0x1\r\nx\r\n", b"1;\n\r\nx\r\n", b"1\r\nxy\r\n", b"1 \r\nx\r\n", b"0\r\nX\r\n\r\n", b"-1\r\n\r\n"]
    + [b"0\r\nContent-Length: 1\r\n\r\n", b"0\r\ntransfer-encoding: x\r\n\r\n"]
    + [b"1;" + b"a" * 5_000 + b"\r\nx\r\n", b"1" * 17 + b"\r\n", b"0\r\n folded\r\n\r\n", b"0\r\nX: a\n\n"],
)
@pytest.mark.parametrize(("style", "answered"), [(READS, [400]), (ANSWERS_FIRST, [200])])
def test_a_malformed_chunk_closes_the_connection(driver: Any, chunks: Any, style: Any, answered: Any) -> None:
    stream = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + SECOND
    requests, is_closed, statuses = read(driver, stream, 1, style)
    assert (requests[1:], is_closed, statuses) == ([], True, answered)


@pytest.mark.parametrize("style", [READS, ANSWERS_FIRST])
def test_no_response_of_the_application_follows_a_refusal(driver: Any, style: Any) -> None:
    """It is not even asked: the refusal comes before its task begins, and its client has gone."""
    stream = HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n" + SECOND
    requests, is_closed, answered = read(driver, stream, style=style)
    assert (requests, is_closed, answered) == ([], True, [400])


@pytest.mark.parametrize("behind", [b"xx", b"\rx", b"\nx", b"x"])
def test_what_is_not_the_end_of_a_chunk_is_refused_at_once(driver: Any, behind: bytes) -> None:
    stream = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na" + behind
    assert read(driver, stream) == ([], True, [400])


def test_trailer_fields_are_not_headers(driver: Any) -> None:
    trailer = b"Authorization: Basic YTpi\r\nHost: evil\r\nOrigin: https://evil\r\nContent-Type: text/plain\r\n"
    stream = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n" + trailer + b"\r\n" + SECOND
    reading, _ = driver.read([stream])
    assert [name for name, _ in reading.requests[0].headers] == [b"host", b"transfer-encoding"]
    assert [each.target for each in reading.complete()] == [b"/first", b"/second"]


@pytest.mark.parametrize("line", [b"X: " + b"a" * 1_000 + b"\r\n", b"a" * 1_000])
def test_an_endless_trailer_is_refused(driver: Any, line: bytes) -> None:
    stream = HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + line * 64
    requests, is_closed, (status,) = read(driver, stream, 500)
    assert (requests, is_closed) == ([(b"/first", b"")], True)
    assert status in (400, 431)


@pytest.mark.parametrize("many", [1, 64 * 1024])
def test_a_body_that_comes_after_the_response_is_read_to_its_end_and_then_the_next_request(
    driver: Any, many: int
) -> None:
    stream = HEAD + b"Content-Length: %d\r\n\r\n" % many + b"a" * many + SECOND
    assert read(driver, stream, 50_000, ANSWERS_FIRST) == ([(b"/first", b""), (b"/second", b"")], False, [200, 200])


def test_but_not_a_longer_one(driver: Any) -> None:
    stream = HEAD + b"Content-Length: 200000\r\n\r\n" + b"a" * 200_000 + SECOND
    assert read(driver, stream, 50_000, ANSWERS_FIRST) == ([(b"/first", b"")], True, [200])


def test_what_expected_to_be_asked_for_its_body_and_was_not_is_the_last_request(driver: Any) -> None:
    """RFC 9110 s10.1.1: whether the body comes then, only the client knows."""
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
    assert read(driver, head + SECOND, len(head), ANSWERS_FIRST) == ([(b"/first", b"")], True, [200])


def test_what_is_asked_for_its_body_goes_on(driver: Any) -> None:
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    reading, written = driver.read([head, b"a=b" + SECOND])
    assert ([each.body for each in reading.requests], reading.is_closed) == ([b"a=b", b""], False)
    assert statuses(written) == [100, 200, 200]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE"])
@pytest.mark.parametrize("style", [READS, ANSWERS_FIRST])
def test_a_body_is_a_body_whatever_the_method(driver: Any, method: bytes, style: Any) -> None:
    stream = HEAD.replace(b"POST", method) + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED + SECOND
    requests, is_closed, answered = read(driver, stream, 30, style)
    assert ([target for target, _ in requests], is_closed, answered) == ([b"/first", b"/second"], False, [200, 200])


def test_rfc9112_9_6_nothing_behind_connection_close_is_read(driver: Any) -> None:
    stream = HEAD + b"Connection: x, Close\r\n\r\n" + SECOND
    assert read(driver, stream) == ([(b"/first", b"")], True, [200])


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_refusal(junk: Any) -> None:
    for head in (junk, HEAD + junk + b"\r\n\r\n", b"GET /" + junk + b" HTTP/1.1\r\n\r\n"):
        try:
            framing.parse(head)
        except framing.MalformedRequest as refused:
            assert refused.status in (400, 414, 431)
    body = framing.Chunked()
    try:
        body.take(bytearray(junk))
    except framing.MalformedRequest as refused:
        assert refused.status in (400, 431)

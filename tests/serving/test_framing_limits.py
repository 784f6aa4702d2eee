"""How much of a request is read: the last byte that is allowed, and the first one that is not."""

import pytest

from authserver.serving import framing
from authserver.serving.framing import Chunked, MalformedRequest, end_of_head, parse

LINE = b"GET / HTTP/1.1\r\n"
HEAD, FIELDS, CHUNK, TRAILER = 65_536, 100, 4_096, 16_384


def status(head: bytes) -> int:
    """Of the refusal; 200 for a head that is read."""
    try:
        parse(head)
    except MalformedRequest as refused:
        return refused.status
    return 200


@pytest.mark.parametrize(("more", "expected"), [(0, 200), (1, 431)])
def test_the_size_of_a_head(more: int, expected: int) -> None:
    assert status(LINE + b"X:" + b"a" * (HEAD - len(LINE) - len(b"X:\r\n\r\n") + more) + b"\r\n\r\n") == expected


@pytest.mark.parametrize(("more", "expected"), [(0, 431), (1, 414)])
def test_a_line_that_alone_is_too_long_has_a_status_of_its_own_rfc9112_3(more: int, expected: int) -> None:
    """A server MUST respond with 414 to a request-target that is longer than any URI that it wishes to parse."""
    line = b"GET /" + b"a" * (HEAD - len(b"GET / HTTP/1.1") + more) + b" HTTP/1.1"
    assert status(line + b"\r\n\r\n") == expected
    assert status(line + b"\r\nX: a\r\n\r\n") == expected


@pytest.mark.parametrize(("start", "expected"), [(b"GET /", 414), (LINE + b"X:", 431)])
def test_an_incomplete_head_that_is_too_long_has_the_status_of_a_whole_one(start: bytes, expected: int) -> None:
    received = bytearray(start + b"a" * (HEAD - len(start)))
    assert end_of_head(received, 0) == 0
    received += b"a"
    with pytest.raises(MalformedRequest) as refused:
        end_of_head(received, HEAD)
    assert refused.value.status == expected


@pytest.mark.parametrize(("fields", "expected"), [(FIELDS, 200), (FIELDS + 1, 431)])
def test_the_number_of_fields(fields: int, expected: int) -> None:
    assert status(LINE + b"X: a\r\n" * fields + b"\r\n") == expected


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\n\r\n"])
def test_the_end_of_a_head_is_found_wherever_it_was_cut(end: bytes) -> None:
    whole = b"GET / HTTP/1.1" + end
    for searched in range(len(whole)):
        assert end_of_head(bytearray(whole + b"next"), searched) == len(whole)


def after_chunk(content: bytes) -> tuple[bytes, bytes, bool]:
    """What was read of a body, what is left, and whether the body is complete."""
    body, received = Chunked(), bytearray(content)
    return body.take(received), bytes(received), body.is_complete


def test_the_line_of_a_chunk() -> None:
    line = b"1;" + b"a" * (CHUNK - len(b"1;\r\n")) + b"\r\n"
    assert after_chunk(line + b"x\r\n0\r\n\r\nnext") == (b"x", b"next", True)
    for longer in (line[:2] + b"a" + line[2:], line[:-1] + b"a"):
        with pytest.raises(MalformedRequest, match="line of a chunk"):
            after_chunk(longer)
    assert after_chunk(line[:-1]) == (b"", line[:-1], False)


def test_the_size_of_a_trailer() -> None:
    field = b"X: " + b"a" * 1_019 + b"\r\n"
    whole = field * (TRAILER // len(field))
    assert len(whole) == TRAILER
    assert after_chunk(b"0\r\n" + whole + b"\r\nnext") == (b"", b"next", True)
    with pytest.raises(MalformedRequest, match="long trailer"):
        after_chunk(b"0\r\n" + whole + b"X:\r\n")


@pytest.mark.parametrize(("digits", "length"), [(b"9" * 19, int("9" * 19)), (b"0" * 19, 0), (b"07", 7)])
def test_a_length_has_at_most_19_digits(digits: bytes, length: int) -> None:
    body = parse(LINE + b"Content-Length: " + digits + b"\r\n\r\n").body
    assert isinstance(body, framing.Sized) and body.left == length
    assert status(LINE + b"Content-Length: " + b"1" * 20 + b"\r\n\r\n") == 400


def test_the_size_of_a_chunk_has_at_most_16_digits() -> None:
    assert after_chunk(b"0" * 15 + b"1\r\nx\r\n") == (b"x", b"", False)
    with pytest.raises(MalformedRequest, match="size of a chunk"):
        after_chunk(b"0" * 16 + b"1\r\nx\r\n")

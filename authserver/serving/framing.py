"""Finds where one HTTP/1.1 request ends and the next begins (RFC 9112), without I/O.

An accepted request is framed exactly as h11 frames it; requests that h11 reads leniently are rejected. The property
test in tests/bench/test_framing.py compares the two.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

MAX_HEAD = 65_536  # bytes of a request's line and headers
_MAX_FIELDS = 100
_MAX_LINE = 4_096  # bytes of a chunk's size and extensions, or of a trailer field
_MAX_TRAILER = 16_384  # bytes
_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") (?:(?i:https?)://[!-\"$-.0->@-~]+)?(/[!-\"$-~]*|\*) HTTP/(1\.[01])")
_FIELDS = re.compile(rb"(?:" + _TOKEN + rb":[\t -~\x80-\xff]*\r\n)*")
_NAME_AND_VALUE = re.compile(rb"([^:]+):(.*)\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):([\t -~\x80-\xff]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t -~\x80-\xff]*)?\r\n")
_LENGTH = re.compile(rb"[0-9]{1,19}")
_OF_FRAMING = frozenset({b"connection", b"content-length", b"expect", b"transfer-encoding"})
Field = tuple[bytes, bytes]


class MalformedRequest(Exception):
    """The bytes are not an unambiguous request. Nothing after them on the connection may be parsed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def malformed(what: str) -> MalformedRequest:
    return MalformedRequest(400, f"malformed {what}")


class Sized:
    """A body of a known length, in bytes."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        return not self._left

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._left

    def take(self, received: bytearray) -> bytes:
        """Remove the bytes of the body from `received`, and return its content."""
        content = bytes(received[: self._left])
        del received[: len(content)]
        self._left -= len(content)
        return content


class Chunked:
    """A body in chunks (RFC 9112 s7.1). Extensions and trailer fields are checked and dropped."""

    def __init__(self) -> None:
        self.is_complete = False
        self._chunk = Sized(0)
        self._end_is_due = False  # whether the end of a chunk comes next
        self._read_line = self._read_size
        self._trailer = 0  # bytes

    def take(self, received: bytearray) -> bytes:
        """Remove the bytes of the body from `received`, and return its content. Raises MalformedRequest."""
        content = bytearray()
        while received and not self.is_complete:
            if not self._chunk.is_complete:
                content += self._chunk.take(received)
            elif self._end_is_due and not self._take_end(received):
                break
            elif line := _take_line(received):
                self._read_line(line)
            else:
                break
        return bytes(content)

    def _read_size(self, line: bytes) -> None:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise malformed("size of a chunk")
        self._chunk = Sized(int(match[1], 16))
        self._end_is_due = not self._chunk.is_complete
        if self._chunk.is_complete:
            self._read_line = self._read_trailer

    def _take_end(self, received: bytearray) -> bool:
        """Remove the end of a chunk. Returns False while it has not fully arrived."""
        if not b"\r\n".startswith(received[:2]):
            raise malformed("end of a chunk")
        if len(received) < 2:
            return False
        del received[:2]
        self._end_is_due = False
        return True

    def _read_trailer(self, line: bytes) -> None:
        self._trailer += len(line)
        if line == b"\r\n":
            self.is_complete = True
        elif self._trailer > _MAX_TRAILER:
            raise MalformedRequest(431, "long trailer")
        # RFC 9110 s6.5.1: a sender MUST NOT generate a trailer field that is necessary for message framing.
        elif not line.endswith(b"\r\n") or _field(line[:-2])[0] in (b"content-length", b"transfer-encoding"):
            raise malformed("trailer field")


def _take_line(received: bytearray) -> bytes:
    """Remove a complete line from `received` and return it with its line end; b"" while the line is not complete."""
    end = received.find(b"\n", 0, _MAX_LINE) + 1
    if not end and len(received) >= _MAX_LINE:
        raise malformed("line of a chunk or a trailer")
    line = bytes(received[:end])
    del received[:end]
    return line


Body = Sized | Chunked


@dataclass(slots=True)
class Head:
    """A request's line and headers, with the methods that uvicorn calls on its parser."""

    method: bytes
    target: bytes
    """The path and query. The absolute-form of RFC 9112 s3.2.2 is accepted, and its host ignored."""
    version: str
    headers: list[Field]
    body: Body
    keep_alive: bool
    expects_continue: bool

    def get_method(self) -> bytes:
        return self.method

    def get_http_version(self) -> str:
        return self.version

    def should_keep_alive(self) -> bool:
        return self.keep_alive

    def should_upgrade(self) -> bool:
        """RFC 9110 s7.8: a server MAY ignore a received Upgrade header field. So a request body is always read."""
        return False


def end_of_head(received: bytearray, searched: int) -> int:
    """Return where the head at the beginning of `received` ends; 0 while it is incomplete. Raises MalformedRequest.

    `searched` is the number of bytes at the beginning that were searched before.
    """
    if received[0] <= 0x20:
        raise malformed("request line")
    # As in h11: `parse` rejects a head that does not end with two CR LF. A regular expression takes 2 us longer.
    begin = max(0, searched - 2)
    end = received.find(b"\n\r\n", begin)
    bare = received.find(b"\n\n", begin, end if end >= 0 else len(received))
    if bare >= 0:
        return bare + 2
    if end >= 0:
        return end + 3
    if len(received) > MAX_HEAD:
        line = received.find(b"\n")
        _check_size(len(received), line if line >= 0 else len(received))
    return 0


def parse(head: bytes) -> Head:
    """Parse a head, up to and including its empty line. Raises MalformedRequest."""
    line, _, rest = head.partition(b"\r\n")
    _check_size(len(head), len(line))
    if rest.count(b"\r\n") > _MAX_FIELDS + 1:
        raise MalformedRequest(431, "many headers")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None or match[1] == b"CONNECT" or not head.endswith(b"\r\n\r\n"):
        raise malformed("request line")
    headers = _fields(rest[:-2])
    values: dict[bytes, list[bytes]] = {}  # not `dict[...]()`, which takes a microsecond longer
    for name, value in headers:
        if name in _OF_FRAMING:
            values.setdefault(name, []).append(value)
    version = match[3].decode()
    is_1_1 = version == "1.1"
    # Like h11, do not keep HTTP/1.0 connections open.
    keep_alive = is_1_1 and b"close" not in _members(values.get(b"connection"))
    # RFC 9110 s10.1.1: a server that receives a 100-continue expectation in an HTTP/1.0 request MUST ignore it.
    expects_continue = is_1_1 and b"100-continue" in _members(values.get(b"expect"))
    return Head(match[1], match[2], version, headers, _body(values, version), keep_alive, expects_continue)


def _check_size(head: int, line: int) -> None:
    """Raise MalformedRequest if a head, complete or not, of that many bytes is too long, or its line is."""
    if line > MAX_HEAD:
        raise MalformedRequest(414, "long request line")
    if head > MAX_HEAD:
        raise MalformedRequest(431, "long headers")


def _fields(lines: bytes) -> list[Field]:
    """Return the fields of a head, from lines with their ends. Regular expressions over all lines take 5 us less than
    `_field` for each line."""
    if not _FIELDS.fullmatch(lines):
        raise malformed("header field")
    return [(name.lower(), value.strip(b" \t")) for name, value in _NAME_AND_VALUE.findall(lines)]


def _field(line: bytes) -> Field:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise malformed("header field")
    return match[1].lower(), match[2].strip(b" \t")


def _body(values: Mapping[bytes, list[bytes]], version: str) -> Body:
    """Return the body that the headers describe. There must be at most one statement of where it ends: RFC 9112 s6.1
    and s6.3 require anything else to be rejected."""
    lengths, codings = values.get(b"content-length", []), values.get(b"transfer-encoding", [])
    if not codings and not lengths:
        return Sized(0)
    if not codings and len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]):
        return Sized(int(lengths[0]))
    if not lengths and len(codings) == 1 and codings[0].lower() == b"chunked" and version == "1.1":
        return Chunked()
    raise malformed("Content-Length or Transfer-Encoding")


def _members(values: list[bytes] | None) -> Collection[bytes]:
    """Return the members of a comma-separated header, in lower case."""
    return {member.strip() for value in values for member in value.lower().split(b",")} if values else ()

"""Makes byte streams of HTTP/1.1 requests, most of them valid and the others wrong in ways on which parsers disagree,
and cuts them into segments."""

from random import Random

HOST = b"Host: as.example"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: as.example\r\n\r\n"
_METHODS = [b"POST"] * 8 + [b"GET"] * 4 + [b"HEAD", b"OPTIONS", b"PUT", b"DELETE"]
# fmt: off
_STRANGE_METHODS = [
    b"CONNECT", b"PRI", b"get", b"M-SEARCH", b"", b"G\x00T", b"PO ST", b"\xc3\xa9",
]
_TARGETS = [
    b"/", b"/token", b"/token?a=b&c=+", b"//x", b"/a;b=c", b"http://other.example/token?d",
]
_STRANGE_TARGETS = [
    b"*", b"as.example:443", b"token", b"http://", b"http://a?b", b"HTTPS://u@h:1/x", b"/#a", b"/a#b?c", b"?a", b"#",
    b"", b"/\xff", b"/\x00", b"/ x", b"/\t", b'/"<>\\^`{|}', b"ftp://a/b", b"/?a?b/c//",
    b"http:///a",
]
_STRANGE_VERSIONS = [
    b"HTTP/1.0", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3.0", b"http/1.1", b"HTTP/1.1 ", b"",
    b"x", b"HTTP/11", b"HTTP/1.10", b"HTTP/1,1",
]
_FIELDS = [
    b"Content-Type: application/x-www-form-urlencoded", b"Accept: */*", b"A:b", b"X-Empty:", b"X: \t a b\t ",
    b"X: a:b", b"Cookie: a=b; c=d", b"Connection: keep-alive", b"Authorization: Basic YTpi", b"X: \xc3\xa9\xff",
]
_STRANGE_FIELDS = [
    b"Connection: close", b"Connection: x, Close ,y", b"connection:close", b"Connection: \x0bclose", b"Host: two",
    b"Host : x", b"X : a", b" X: a", b"\tX: a", b"X", b": a", b"X\x00: a", b"X: a\x00", b"X: a\rb", b"X: a\x01",
    b"X: \x7f", b"X: a\r\n folded", b"X:\r\n\tfolded", b"X: a\r\n \r\n b", b"X: a\nY: b", b"X: a\n", b"X: a\x0b",
    b"X\xff: a", b"Expect: 100-continue", b"expect: 100-Continue", b"Expect: x", b"TE: trailers", b"Trailer: X", b"",
    b"\r", b"\n", b"Content_Length: 3", b"Content-Length : 3", b"Content-Length:",
    b"Content-Length: 3\r\nContent-Length: 3", b"Content-Length: 0\r\nContent-Length: 3", b"Content-Length: 3, 3",
    b"Content-Length: 3,4", b"Content-Length: +3", b"Content-Length: -1", b"Content-Length: 0x3",
    b"Content-Length: 3 3", b"Content-Length: 1e1", b"Content-Length: \x0b3", b"Content-Length: 00003",
    b"Content-Length: 18446744073709551616", b"Content-Length: 99999999999999999999999",
    b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked;a=b",
    b"Transfer-Encoding : chunked", b"Transfer_Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked", b"Content-Length: 3",
]
_UPGRADES = [
    b"Connection: Upgrade\r\nUpgrade: websocket", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings",
    b"Connection: upgrade\r\nUpgrade: x", b"Upgrade: websocket", b"Connection: Upgrade",
    b"Connection: close, Upgrade",
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
_BODIES = [b"", b"a=b", b"grant_type=refresh_token&refresh_token=rt", b"\r\n", b"0\r\n\r\n", SMUGGLED, SMUGGLED[:-2]]
_EXTENSIONS = [
    b";a", b";a=b", b';a="b;c"', b";", b";a;b=c", b"; a = b",
]
_STRANGE_EXTENSIONS = [
    b" ", b"\t", b" ;a", b";a\rb", b";a\nb", b";\x00", b";\x7f", b"x", b"\r", b";a ", b';a="\r\n"', b"\x0b",
]
_TRAILERS = [
    b"X: a\r\n", b"Authorization: Basic YTpi\r\n", b"Content-Length: 9\r\n", b"Connection: close\r\n", b"Host: b\r\n",
]
_STRANGE_TRAILERS = [
    b"X: a\n", b"X\r\n", b" folded\r\n", b"X: a\r\n folded\r\n", b"X : a\r\n", b"X: a\x00\r\n", b"X: a\rb\r\n", b"\n",
    b"\r", b"Transfer-Encoding: chunked\r\nConnection: Upgrade\r\nUpgrade: x\r\n",
]
_STRANGE_SIZES = [
    b"", b"-1", b"+1", b"0x1", b"g", b"1 ", b" 1", b"00000000000000000001", b"fffffffffffffffff", b"1_0", b"3,3",
]
_BETWEEN = [
    b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\r\n\r\n", b"x", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
]
# fmt: on
_OTHER = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\n\n",
    b"SSH-2.0-x\r\n",
    b"GET /\r\n",
    b"GET / HTTP/1.1\r\n",
]


class Streams:
    """Makes streams from a source of randomness: `random.Random`, or one of hypothesis."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def stream(self) -> bytes:
        """Return one to five requests, one after the other, most of them valid."""
        calm = self._random.random() < 0.4  # everything is allowed, though perhaps unusual
        oddness = 0.0 if calm else 0.06
        parts = [self._request(oddness) for _ in range(self._random.randint(1, 5))]
        if self._is(oddness):
            parts.insert(self._random.randrange(len(parts) + 1), self._random.choice(_BETWEEN + _OTHER))
        content = b"".join(parts)
        return self._mutated(content) if self._is(5 * oddness) else content

    def cut(self, stream: bytes) -> list[bytes]:
        """Cut a stream into segments."""
        style = self._random.random()
        if style < 0.2:
            return [stream]
        if style < 0.24:
            return [stream[place : place + 1] for place in range(len(stream))]
        places = sorted(self._random.randrange(len(stream) + 1) for _ in range(self._random.randint(1, 8)))
        pairs = zip([0, *places], [*places, len(stream)], strict=True)
        return [stream[begin:end] for begin, end in pairs if begin < end]

    def _is(self, chance: float) -> bool:
        return bool(chance) and self._random.random() < chance

    def _pick(self, usual: list[bytes], strange: list[bytes], oddness: float) -> bytes:
        return self._random.choice(strange if self._is(oddness) else usual)

    def _request(self, oddness: float) -> bytes:
        line = b" ".join(
            (
                self._pick(_METHODS, _STRANGE_METHODS, oddness / 2),
                self._pick(_TARGETS, _STRANGE_TARGETS, oddness),
                self._pick([b"HTTP/1.1"], _STRANGE_VERSIONS, oddness / 2),
            )
        )
        framing, body = self._body(oddness)
        fields = [*([] if self._is(oddness / 2) else [HOST]), *framing]
        fields += [self._random.choice(_FIELDS) for _ in range(self._random.randint(0, 3))]
        fields += [self._random.choice(_UPGRADES)] if self._is(0.2) else []
        fields += [self._random.choice(_STRANGE_FIELDS)] if self._is(2 * oddness) else []
        self._random.shuffle(fields)
        ends = [self._pick([b"\r\n"], [b"\n", b"\r", b"\r\r\n", b" \r\n"], oddness / 4) for _ in range(len(fields) + 2)]
        return b"".join(field + end for field, end in zip([line, *fields, b""], ends, strict=True)) + body

    def _body(self, oddness: float) -> tuple[list[bytes], bytes]:
        style, body = self._random.random(), self._random.choice(_BODIES)
        if style < 0.3:
            return [], body if self._is(oddness) else b""
        if style < 0.65:
            length = len(body) + (self._random.choice([-1, 1, 5]) if self._is(oddness) else 0)
            return [b"Content-Length: %d" % length], body
        both = [b"Content-Length: %d" % len(body)] if self._is(oddness) else []
        coding = self._random.choice([b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked"])
        return [coding, *both], self._chunks(body, oddness)

    def _chunks(self, body: bytes, oddness: float) -> bytes:
        pieces = [piece for piece in self.cut(body) if piece] if body else []
        chunks = b"".join(self._size(len(piece), oddness) + piece + self._end(oddness) for piece in pieces)
        trailers = [
            self._pick(_TRAILERS, _STRANGE_TRAILERS, oddness) for _ in range(self._random.choice([0, 0, 0, 1, 2]))
        ]
        return chunks + self._size(0, oddness) + b"".join(trailers) + self._end(oddness)

    def _size(self, size: int, oddness: float) -> bytes:
        digits = self._random.choice([b"%x", b"%X", b"0%x"]) % size
        extension = self._random.choice(_EXTENSIONS) if self._is(0.2) else b""
        if self._is(oddness):
            digits = self._pick([digits], _STRANGE_SIZES, 0.5)
            extension = self._random.choice([b"", *_STRANGE_EXTENSIONS])
        return digits + extension + self._end(oddness)

    def _end(self, oddness: float) -> bytes:
        return self._pick([b"\r\n"], [b"\n", b"\r", b"", b"\r\r\n", b"\n\r", b"xx", b"\r\nx"], oddness / 4)

    def _mutated(self, stream: bytes) -> bytes:
        begin = self._random.randrange(len(stream) + 1)
        end = begin + self._random.choice([0, 1, 1, 2])
        added = self._random.choice([b"", b"\r", b"\n", b"\r\n", b" ", b"\0", b"\t", b":", b"0", b"\xff", b"a", b","])
        return stream[:begin] + added + stream[end:]

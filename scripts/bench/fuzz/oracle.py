"""Reads a stream of bytes with h11, to compare with our own parser."""

from dataclasses import dataclass, field

import h11


@dataclass
class Request:
    """A request as one of the two parsers has read it."""

    method: bytes
    target: bytes
    version: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_complete: bool = False

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields as h11 returns them: with the value of Transfer-Encoding in lower case."""
        return [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in self.headers]


@dataclass
class Reading:
    """A stream as one of the two parsers has read it."""

    requests: list[Request] = field(default_factory=list)
    is_closed: bool = False

    def complete(self) -> list[Request]:
        return [each for each in self.requests if each.is_complete]


def by_h11(stream: bytes) -> Reading:
    """Read a stream with h11. Each request gets its response as soon as it is complete."""
    connection, reading = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 30), Reading()
    connection.receive_data(stream)
    try:
        while not reading.is_closed and _advance(connection, reading):
            pass
    except h11.RemoteProtocolError:
        reading.is_closed = True
    return reading


def _advance(connection: h11.Connection, reading: Reading) -> bool:
    """Read one more event. Returns whether there was one."""
    event = connection.next_event()
    if isinstance(event, h11.Request):
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        reading.requests.append(Request(bytes(event.method), bytes(event.target), bytes(event.http_version), headers))
    elif isinstance(event, h11.Data):
        reading.requests[-1].body += bytes(event.data)
    elif isinstance(event, h11.EndOfMessage):
        reading.requests[-1].is_complete = True
        reading.is_closed = not _respond(connection)
    else:
        return False
    return True


def _respond(connection: h11.Connection) -> bool:
    """Respond to a request. Returns whether another one may follow."""
    connection.send(h11.Response(status_code=400, headers=[("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is h11.MUST_CLOSE:
        return False
    connection.start_next_cycle()
    return True

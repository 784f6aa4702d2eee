"""Where the server listens: IPv6, the modes of Unix sockets, and the line that chooses another port."""

import errno
import socket
import stat
from pathlib import Path

import pytest

from authserver.serving import listening
from authserver.serving.listening import CannotListen
from tests.harness.process import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_management_address_is_one_of_either_family(host: str) -> None:
    with listening.management(f"{host}:{free_port()}") as listener:
        url = listening.url_of(listener)
        socket.create_connection(listener.getsockname()[:2], 60).close()
    assert url.startswith(f"http://{host}:")


def test_a_unix_socket_for_management_is_for_its_owner_and_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with listening.management("unix:management") as listener:
        assert stat.S_IMODE(Path("management").stat().st_mode) == 0o660
        assert listening.url_of(listener) == "unix:management"
    assert not Path("management").exists()


@pytest.mark.parametrize(("port", "another"), [(8000, 8001), (65534, 65535), (65535, 0)])
def test_a_port_in_use_is_answered_with_one_that_exists(
    port: int, another: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(*_: object) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket.socket, "bind", in_use)
    with pytest.raises(CannotListen, match=rf"(?s)Port {port} is already in use.*--port {another}$"):
        listening.listen("127.0.0.1", port)

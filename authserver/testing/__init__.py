"""A real issuer for the tests of APIs and clients: this server in a thread, on a free port, all of it in memory.

    pytest_plugins = ["authserver.testing.fixture"]          # in the topmost conftest.py

    def test_notes(issuer):                                  # a new issuer for each test
        token = issuer.token(sub="ada", scope="read")        # signed as the server signs, without HTTP
        issuer.clock.forward(901)                            # and it has expired

Without pytest, for a session, or with other settings (those of `authserver config show`, in lower case):

    with running_issuer(access_token_ttl=60) as issuer: ...

Nothing happens in the background: keys rotate only if the test calls `issuer.rotate`, and time jumps only if it calls
`issuer.clock.forward`.

instance.py  the methods of `issuer`          server.py   the thread, the port, the database in memory
clients.py   creates and checks clients       logs.py     sends the server's log to `logging`
clock.py     real time, moved by hand         fixture.py  the only file that needs pytest
browser.py   fills in the sign-in pages       code_flow.py  a client's side of a sign-in
"""

from typing import Any

try:
    from .clock import Clock
    from .errors import ErrorResponse, SignInFailed
    from .instance import Issuer, running_issuer
except ModuleNotFoundError as error:
    if (error.name or "").startswith("authserver"):
        raise
    raise ImportError(
        f"authserver.testing needs {error.name}, which is not installed; the guard alone does not need it. Run:\n\n"
        '    pip install "authserver[testing]"'
    ) from error

__all__ = ["Clock", "ErrorResponse", "Issuer", "SignInFailed", "running_issuer"]


def __getattr__(name: str) -> Any:
    """Import the fixture only when it is used, so that everything else works without pytest."""
    if name != "issuer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .fixture import issuer

    return issuer

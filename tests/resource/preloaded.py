"""A WSGI application that verifies tokens in threads of its own from the moment it is loaded; see test_guard_forks."""

import os
from collections.abc import Iterable
from typing import Any

from authserver.resource import Guard
from tests.resource.forking import AUDIENCE, keep_verifying

guard = Guard(os.environ["ISSUER"], AUDIENCE)
keep_verifying(guard, [os.environ["TOKEN"]])


def whoami(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


app = guard.wsgi(whoami, "read")

"""nginx as a process of its own, with everything that it writes in one folder."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.process import ended, wait_until_listening

_NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
needs_nginx = pytest.mark.skipif(_NGINX is None, reason="nginx is not installed")
TEMPORARY_FOLDERS = " ".join(
    f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)
"""Directives of the http block that keep nginx's temporary files in its folder."""


@contextmanager
def running(folder: Path, http: str, port: int) -> Iterator[None]:
    """Run nginx in `folder` until the block ends. `http` is the content of its http block, which listens on `port`.

    Skips the test if nginx is not installed."""
    if _NGINX is None:
        pytest.skip("nginx is not installed")
    user = "user root;" if os.geteuid() == 0 else ""  # otherwise root's nginx may not read its own folder
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 1; pid nginx.pid; error_log error.log; events {{}}\n"
        f"http {{\naccess_log off; {TEMPORARY_FOLDERS}\n{http}\n}}\n"
    )
    command = [_NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    with ended(subprocess.Popen(command)) as process:
        wait_until_listening(port, process, folder / "error.log")
        yield

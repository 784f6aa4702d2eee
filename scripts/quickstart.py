#!/usr/bin/env python3
"""Set up authserver and start a demo server. This needs only Python. With `test`, check the code instead."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - older Pythons must be able to parse this file
    sys.exit(
        "Error: authserver needs Python 3.11 or newer; {} is Python {}.{}.".format(
            sys.executable, *sys.version_info[:2]
        )
    )
if os.name != "posix":
    sys.exit("Error: this script needs Linux or macOS. On Windows, run it inside WSL.")

import argparse
import contextlib
import errno
import hashlib
import json
import re
import secrets
import shlex
import socket
import sqlite3
import subprocess
from typing import NoReturn
from urllib.parse import quote

from dotvenv import PYTHON, ROOT, VENV, exclusive_lock, install, installed, read_json, say

DEMO = ROOT / "keys" / "demo"
MAILS = ROOT / "keys" / "mails"
PORTS_TO_TRY = 100
UNMEASURED = ("bench", "packaging", "readme", "scripts")
"""Folders of tests that `--coverage` leaves out: they take long, and other tests cover the same code."""
DEMO_SCOPE = "openid profile email read"
CURL = "curl -sS --fail-with-body"  # so that errors and a stopped server are shown
TEST_HELP = """usage: quickstart.py test [--fast | --coverage | ARG ...]

Check the code, in .venv, which is created the first time.

  test             the static checks (scripts/check), then all tests
  test --fast      only the quick tests, which start no process: under a minute on two idle cores
  test --coverage  the static checks, then the tests without tests/bench, tests/packaging, tests/readme and
                   tests/scripts; fails if they reach too few branches of authserver/
  test ARG ...     only pytest, with these arguments, for example: test tests/domain -k rotation"""


# Address and settings


def configured(setting: str) -> bool:
    """Whether this setting is configured anywhere. If so, the demo does not change it."""
    if any(f"AUTHSERVER_{setting}{suffix}" in os.environ for suffix in ("", "_FILE")):
        return True
    line = re.compile(rf"^\s*(export\s+)?(AUTHSERVER_)?{setting}(_FILE)?\s*=", re.IGNORECASE | re.MULTILINE)
    files = [path for path in (ROOT / ".env", ROOT / "authserver.toml") if path.is_file()]
    return any(line.search(path.read_text(errors="replace")) for path in files)


def base_url(host: str, port: int) -> str:
    """Return the URL at which curl on this machine reaches a server that listens on this host, as an issuer is
    written."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    reachable = f"[{reachable}]" if ":" in reachable else reachable
    return f"http://{reachable}" if port == 80 else f"http://{reachable}:{port}"


def bind(host: str, port: int) -> "socket.socket | None":
    """Listen on this port. Returns None if it is already in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        # create_server appends the address that it tried.
        why = (error.strerror or str(error)).partition(" (while attempting")[0]
        sys.exit(f"Error: Cannot listen on port {port} of {host}: {why}.")


def bind_next(host: str, first: int) -> socket.socket:
    """Bind the first free port, before it is printed, so that no other process can take it."""
    last = min(first + PORTS_TO_TRY - 1, 65535)
    for port in range(first, last + 1):
        listener = bind(host, port)
        if listener:
            return listener
    sys.exit(f"Error: No port of {host} from {first} to {last} is free. Choose another with --port.")


# The demo's user and client


def authserver(*arguments: str, give: str = "") -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "authserver", *arguments]
    return subprocess.run(command, cwd=ROOT, input=give, capture_output=True, text=True)


def run_or_exit(*arguments: str, give: str = "") -> str:
    done = authserver(*arguments, give=give)
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
    return done.stdout


def schema_digest() -> str:
    """Return a digest of the names of the migrations, so that `init` runs again after a new one."""
    migrations = (ROOT / "authserver" / "store" / "migrations").rglob("*.py")
    return hashlib.sha256("\n".join(sorted(path.name for path in migrations)).encode()).hexdigest()


def ready(demo: dict[str, str]) -> bool:
    """Whether the demo's user and clients exist. Reads SQLite directly, because starting the command takes a second.

    Returns False if it cannot tell, because another database is configured or the tables are different. Only time is
    lost then, because the command is asked instead.
    """
    if not demo or demo.get("schema") != schema_digest() or configured("DATABASE_URL"):
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{(ROOT / 'authserver.db').as_uri()}?mode=ro", uri=True)) as database:
            users = database.execute("SELECT 1 FROM users WHERE id = ?", [demo["user_id"]]).fetchone()
            both = [demo["client_id"], demo["web_client_id"]]
            clients = database.execute("SELECT 1 FROM clients WHERE id IN (?, ?)", both).fetchall()
    except (sqlite3.Error, KeyError):
        return False
    return bool(users) and len(clients) == len(both)


def exists(demo: dict[str, str]) -> bool:
    """Whether the demo's user and clients exist. Asks the command, so it works with every kind of database."""
    try:
        asked = (("user", demo["username"]), ("client", demo["client_id"]), ("client", demo["web_client_id"]))
    except KeyError:
        return False
    return all(authserver(noun, "show", name, "--json").returncode == 0 for noun, name in asked)


def create_user(password: str) -> dict[str, str]:
    """Create the user `demo`, or one such as `demo-1f3a` if there is a `demo` already, whose password is not
    changed."""
    options = ("--password-stdin", "--json")
    first = authserver("user", "create", "demo", *options, give=password)
    if first.returncode == 0:
        return parse_json(first.stdout)
    return parse_json(run_or_exit("user", "create", f"demo-{secrets.token_hex(2)}", *options, give=password))


def parse_json(text: str) -> dict[str, str]:
    members: dict[str, str] = json.loads(text)
    return members


def demo_claims(username: str) -> "dict[str, object]":
    """Return the claims of the demo's user. The address is verified, so that a forgotten password can be reset; it
    contains the username, so that no other user has it."""
    return {"name": "Demo User", "email": f"{username}@example.com", "email_verified": True}


def create_client() -> dict[str, str]:
    grants = ("--grant", "password", "--grant", "refresh_token")
    target = ("--scope", "read write", "--audience", "https://api.example")
    options = ("--auth-method", "none", "--json")
    return parse_json(run_or_exit("client", "create", "Quickstart demo", *grants, *target, *options))


def create_web_client(redirect_uri: str) -> dict[str, str]:
    """Create the client of scripts/demo. It has a secret, like that of any web application with a server of its own."""
    target = ("--scope", DEMO_SCOPE, "--audience", "https://api.example")
    options = ("--kind", "web", "--redirect-uri", redirect_uri, "--json")
    return parse_json(run_or_exit("client", "create", "Demo", *target, *options))


def create_demo(password: str, redirect_uri: str) -> dict[str, str]:
    user, client, web = create_user(password), create_client(), create_web_client(redirect_uri)
    run_or_exit("user", "set-claims", user["username"], give=json.dumps(demo_claims(user["username"])))
    return {
        "username": user["username"],
        "password": password,
        "user_id": user["id"],
        "client_id": client["client_id"],
        "web_client_id": web["client_id"],
        "web_client_secret": web["client_secret"],
        "redirect_uris": redirect_uri,
    }


def register(demo: dict[str, str], redirect_uri: str) -> dict[str, str]:
    """Register another redirect URI, because the demo got another port. The nine newest others are kept: they may be in
    use."""
    uris = [*demo["redirect_uris"].split()[-9:], redirect_uri]
    options = [word for uri in uris for word in ("--redirect-uri", uri)]
    run_or_exit("client", "update", demo["web_client_id"], *options)
    return demo | {"redirect_uris": " ".join(uris)}


def write_demo(demo: dict[str, str]) -> None:
    """Write the file so that it is never readable by others, and replace the old one in one step."""
    DEMO.parent.mkdir(exist_ok=True)
    fresh = DEMO.with_name("demo.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(demo, file, indent=2)
    fresh.replace(DEMO)


def prepare_demo(redirect_uri: str) -> dict[str, str]:
    demo: dict[str, str] = read_json(DEMO)
    if not ready(demo):
        say("Preparing the database, the keys and the demo user.")
        run_or_exit("init")
        if not exists(demo):
            demo = create_demo(demo.get("password") or secrets.token_urlsafe(18), redirect_uri)
        demo |= {"schema": schema_digest()}
        write_demo(demo)
    if redirect_uri not in demo["redirect_uris"].split():
        demo = register(demo, redirect_uri)
        write_demo(demo)
    return demo


def start_demo(listener: socket.socket, url: str, issuer: str) -> None:
    """Start the demo application on this socket, as a child process that ends when this process does, even if it is
    killed.

    The child's standard input is a pipe. This process, which becomes the server, holds the other end.
    """
    lifeline, held = os.pipe()
    command = [PYTHON, "-m", "scripts.demo", "--fd", str(listener.fileno()), "--url", url, "--issuer", issuer]
    subprocess.Popen(
        [*command, "--client", DEMO],
        stdin=lifeline,
        pass_fds=[listener.fileno()],
        start_new_session=True,  # Ctrl-C in the terminal is for the server
    )
    os.close(lifeline)
    os.set_inheritable(held, True)


def choose_issuer(url: str) -> str:
    """Return the configured issuer. If there is none, configure this URL and return it."""
    if not configured("ISSUER"):
        os.environ["AUTHSERVER_ISSUER"] = url
    if "AUTHSERVER_ISSUER" in os.environ:
        return os.environ["AUTHSERVER_ISSUER"]
    rows = json.loads(run_or_exit("config", "show", "--json"))
    return next(str(row["value"]) for row in rows if row["name"] == "issuer")


def keep_mails() -> None:
    """Write each email to a file, unless a mail server is configured."""
    if not configured("SMTP_URL"):
        os.environ["AUTHSERVER_SMTP_URL"] = f"file:{quote(str(MAILS))}"


def curl_lines(url: str, demo: dict[str, str]) -> dict[str, str]:
    """Return lines to paste in this order. `tee` shows the response, and `sed` extracts the next refresh token from
    it."""
    keep = """ | tee /dev/stderr | sed -n 's/.*"refresh_token": *"\\([^"]*\\)".*/\\1/p'); echo"""
    client = f"-d client_id={demo['client_id']}"
    user = f"-d username={demo['username']} -d password={demo['password']}"
    kept = '"$REFRESH_TOKEN"'
    token, revoke, jwks = (shlex.quote(url + path) for path in ("/token", "/revoke", "/.well-known/jwks.json"))
    request = f"REFRESH_TOKEN=$({CURL} {token} {client}"
    return {
        "Log in": f"{request} -d grant_type=password {user}{keep}",
        "Refresh": f"{request} -d grant_type=refresh_token -d refresh_token={kept}{keep}",
        "Log out": f"{CURL} -i {revoke} {client} -d token={kept}; echo",
        "See the public keys": f"{CURL} {jwks}; echo",
    }


def print_welcome(url: str, demo_url: str, demo: dict[str, str]) -> None:
    say(f"authserver serves {url}. To see how people sign in to an application, open", "", f"    {demo_url}", "")
    say(f"and sign in as {demo['username']} with the password {demo['password']}", "")
    if os.environ.get("AUTHSERVER_SMTP_URL", "").startswith("file:"):
        say(f"Emails are not sent: each becomes a file in {MAILS.relative_to(ROOT)}. To try it, ask for a new")
        say(f"password at {url}/reset for the address {demo['username']}@example.com", "")
    say("Or paste these lines into another terminal, one after the other:", "")
    for title, line in curl_lines(url, demo).items():
        say(f"{title}:", f"    {line}", "")
    say("Ctrl-C stops the server; the same command starts it again. See README.md for more.", "")


# Commands


def serve(host: str, first_port: int) -> NoReturn:
    with exclusive_lock():
        if not installed("run"):
            install("run")
        listener = bind_next(host, first_port)
        port = listener.getsockname()[1]
        issuer = choose_issuer(base_url(host, port))
        keep_mails()
        # Redirect URIs over http must be on a loopback address, so the demo listens on one.
        demo_host = "::1" if ":" in host else "127.0.0.1"
        demo_listener = bind_next(demo_host, min(port + 1, 65535))
        demo_url = base_url(demo_host, demo_listener.getsockname()[1])
        demo = prepare_demo(f"{demo_url}/callback")
    if port != first_port:
        say(f"Port {first_port} is already in use; this server uses {port}.")
    start_demo(demo_listener, demo_url, issuer)
    print_welcome(base_url(host, port), demo_url, demo)
    listener.set_inheritable(True)
    os.execv(PYTHON, [PYTHON, "-m", "authserver", "serve", "--fd", str(listener.fileno())])


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_checks() -> None:
    code = subprocess.run([PYTHON, ROOT / "scripts" / "check"], stdin=subprocess.DEVNULL).returncode
    if code:
        sys.exit(code)


def run_measured(pytest: list[str]) -> int:
    """Run the tests with coverage. Returns their exit code, or that of the report, which fails below the floor in
    pyproject.toml."""
    left_out = [f"--ignore=tests/{folder}" for folder in UNMEASURED]
    codes = []
    for command in (["run", "-m", *pytest, *left_out], ["combine", "--quiet"], ["report"]):
        say(f"$ coverage {shlex.join(command)}")
        codes.append(subprocess.run([VENV / "bin" / "coverage", *command]).returncode)
    return next(filter(None, codes), 0)


def test(arguments: list[str]) -> NoReturn:
    if arguments in (["-h"], ["--help"]):
        print(TEST_HELP)
        sys.exit(0)
    with exclusive_lock():
        if not installed("test"):
            install("test")
    measured = arguments == ["--coverage"]
    if measured:
        arguments = []
    if not arguments:
        run_checks()
    # Many tests wait for processes that they started: with one worker for each core, the cores would be idle for a
    # third of the time. The tests of --fast start none. With worksteal, a worker without tests takes over those of
    # another.
    workers = {(): cores() + 4, ("--fast",): cores()}.get(tuple(arguments))
    pytest = ["pytest", *arguments, *(["-n", str(workers), "--dist", "worksteal"] if workers else [])]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else hundreds of processes would each compile everything again
    if measured:
        sys.exit(run_measured(pytest))
    say(f"$ {shlex.join(pytest)}")
    os.execv(VENV / "bin" / "pytest", pytest)


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def main(arguments: list[str]) -> NoReturn:
    os.chdir(ROOT)
    if arguments[:1] == ["test"]:
        test(arguments[1:])
    epilog = "To check the code: `quickstart.py test`. See `quickstart.py test --help`."
    parser = argparse.ArgumentParser(description=__doc__, epilog=epilog)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=port_number, default=8000, help="first port to try (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    serve(chosen.host, chosen.port)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)

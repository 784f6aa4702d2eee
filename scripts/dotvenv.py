"""Creates and repairs the project's .venv, and compares it with the lock. This needs only the standard library."""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MARK = VENV / "quickstart.json"  # which Python created .venv, from which locks; written last
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}
NO_VENV = """Error: This Python cannot make a virtual environment: its module {module} is missing.
On Debian and Ubuntu it is in a separate package. Install it, then run this again:

    {sudo}apt-get install python3-venv"""


NOT_INSTALLED = """This script needs {module}, which is installed for the tests. Run first:

    python3 scripts/quickstart.py test --fast"""


def continue_in_venv(module: str) -> None:
    """Run this script again with the Python of .venv, if there is one. Exits if `module` is not installed."""
    if Path(sys.prefix) != VENV and PYTHON.exists():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    if importlib.util.find_spec(module) is None:
        sys.exit(NOT_INSTALLED.format(module=module))


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # flushed, because exec discards the buffer


def read_json(path: Path) -> dict[str, str]:
    """Return the members of a JSON file; none if it is missing or damaged, so that it is written again."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def identity() -> str:
    """Return which Python created .venv, and where: it works only with that Python, and only if it is not moved."""
    return f"{sys.implementation.cache_tag} {VENV}"


def digest(kind: str) -> str:
    """Return a digest of what an installation is made from: the lock, and pyproject.toml, which names the commands."""
    contents = hashlib.sha256()
    for name in ("pyproject.toml", LOCKS[kind]):
        contents.update((ROOT / name).read_bytes())
    return contents.hexdigest()


def installed(kind: str) -> bool:
    mark = read_json(MARK)
    return mark.get("venv") == identity() and mark.get(kind) == digest(kind) and os.access(PYTHON, os.X_OK)


def mark(*kinds: str) -> None:
    VENV.mkdir(exist_ok=True)
    MARK.write_text(json.dumps({"venv": identity()} | {kind: digest(kind) for kind in kinds}))


def usable() -> bool:
    """Whether pip can install into this .venv. False if an installation was killed, because half a package could be
    left."""
    mark = read_json(MARK)
    if mark and (mark.get("venv") != identity() or not LOCKS.keys() & mark.keys()):
        return False
    probe = "import pip, sys; sys.exit(sys.implementation.cache_tag != sys.argv[1])"
    with contextlib.suppress(OSError):
        return not subprocess.run([PYTHON, "-c", probe, sys.implementation.cache_tag], capture_output=True).returncode
    return False


def remove_venv() -> None:
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        say(f"{VENV} is incomplete, was moved or belongs to another Python. Creating it again.")
        shutil.rmtree(VENV)


def check_venv_support() -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            sys.exit(NO_VENV.format(module=module, sudo="" if os.geteuid() == 0 else "sudo "))


def make_venv() -> None:
    check_venv_support()
    remove_venv()
    say(f"Creating {VENV}.")
    mark()
    import venv  # not at the top: importing it takes a tenth of a second

    try:
        venv.EnvBuilder(symlinks=True, with_pip=True).create(VENV)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Error: Cannot create {VENV}:\n{(error.output or b'').decode(errors='replace')}")


def uv(*arguments: str) -> bool:
    """Whether uv is installed and could install this. If not, pip may succeed: it reads a company's pip.conf, for
    example."""
    program = shutil.which("uv")
    if program is None:
        return False
    command: list[str | Path] = [program, "pip", "install", "--quiet", "--python", PYTHON, *arguments]
    # uv's own list of certificate authorities lacks those that a company adds to the machine; pip uses the machine's.
    if run_with_progress(command, {"UV_SYSTEM_CERTS": "true", **os.environ}):
        say("uv could not install this. Trying pip.")
        return False
    return True


def pip(*arguments: str) -> None:
    command: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    environment = {**os.environ, "PIP_USER": "0"}  # a user's pip.conf may set it, which fails in a .venv
    if run_with_progress(command, environment):
        sys.exit("Error: The installation failed, see above. Fix the cause, then run this again.")


def install_with_any(*arguments: str) -> None:
    if not uv(*arguments):
        pip(*arguments)


def run_with_progress(command: "list[str | Path]", environment: dict[str, str]) -> int:
    """Run a command and return its exit code. On a terminal, a line counts the seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(1)
            if sys.stderr.isatty():
                print(f"\r  {time.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True)
    finally:
        process.kill()  # does nothing if it has ended
        if sys.stderr.isatty():
            print("\r         \r", end="", file=sys.stderr, flush=True)


def install(kind: str) -> None:
    if not usable():
        make_venv()
    began = time.monotonic()
    say(f"Installing {LOCKS[kind]} into {VENV}; the first time takes about a minute.")
    mark()
    install_with_any("--require-hashes", "-r", LOCKS[kind])
    say("Installing authserver itself.")
    install_with_any("--no-deps", "--no-build-isolation", "-e", ".")
    say(f"Installed in {time.monotonic() - began:.0f} s.")
    mark(*(LOCKS if kind == "test" else ["run"]))  # the test lock contains everything in the run-time lock


@contextlib.contextmanager
def exclusive_lock() -> Iterator[None]:
    """Hold a lock on the folder, so that two processes do not set it up at once. This leaves no file behind."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock folders
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)

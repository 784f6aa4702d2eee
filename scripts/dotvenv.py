"""The project's .venv: made, mended and compared with the lock, with the standard library only."""

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
MARK = VENV / "quickstart.json"  # what .venv was made by and from; the digest is written last, when all is done
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}
NO_VENV = """Error: This Python cannot make a virtual environment: its module {module} is missing.
On Debian and Ubuntu it is a package of its own. Run

    {sudo}apt-get install python3-venv

and then this again."""


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # flushed, because exec throws away what is still in the buffer


def read_json(path: Path) -> dict[str, str]:
    """What a file says; one that is missing or damaged says nothing, and is made anew."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def identity() -> str:
    """Which Python made .venv and where: a .venv works for no other Python, and not after its folder has moved."""
    return f"{sys.implementation.cache_tag} {VENV}"


def digest(kind: str) -> str:
    """What an installation was made from; pyproject.toml is in it because it names the commands."""
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
    """Whether pip can go on with this .venv: half a package, left by a killed installation, would stay as it is."""
    known = read_json(MARK)
    if known and (known.get("venv") != identity() or not LOCKS.keys() & known.keys()):
        return False
    probe = "import pip, sys; sys.exit(sys.implementation.cache_tag != sys.argv[1])"
    with contextlib.suppress(OSError):
        return not subprocess.run([PYTHON, "-c", probe, sys.implementation.cache_tag], capture_output=True).returncode
    return False


def remove_venv() -> None:
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        say(f"{VENV} is unfinished, was moved or belongs to another Python: making it anew.")
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
    import venv  # not at the top: it costs a tenth of the second in which an unchanged set-up starts

    try:
        venv.EnvBuilder(symlinks=True, with_pip=True).create(VENV)
    except subprocess.CalledProcessError as error:
        sys.exit(f"Error: Making {VENV} failed:\n{(error.output or b'').decode(errors='replace')}")


def uv(*arguments: str) -> bool:
    """Whether uv is there and has installed this; whatever it lacks, a company's pip.conf for one, pip may have."""
    program = shutil.which("uv")
    if program is None:
        return False
    command = [program, "pip", "install", "--quiet", "--python", PYTHON, *arguments]
    if run_with_progress(command, dict(os.environ)):
        say("uv could not install this; pip tries now.")
        return False
    return True


def pip(*arguments: str) -> None:
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    environment = {**os.environ, "PIP_USER": "0"}  # a user's pip.conf may say otherwise, which fails in a .venv
    if run_with_progress(command, environment):
        sys.exit("Error: The installation failed, see above. Nothing is lost: fix the cause, then run this again.")


def install_with_any(*arguments: str) -> None:
    if not uv(*arguments):
        pip(*arguments)


def run_with_progress(command: "list[str | Path]", environment: dict[str, str]) -> int:
    """The exit code. On a terminal a line counts the seconds meanwhile."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(1)
            if sys.stderr.isatty():
                print(f"\r  {time.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True)
    finally:
        process.kill()  # nothing if it has ended
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
    mark(*(LOCKS if kind == "test" else ["run"]))  # the test lock holds all that the run-time lock holds


@contextlib.contextmanager
def exclusive_lock() -> Iterator[None]:
    """Two of these at once must not set up one folder at once. A lock on the folder itself leaves no file behind."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock a folder
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)

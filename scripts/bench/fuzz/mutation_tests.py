"""Plants ten bugs in refresh-token rotation, one by one, in a copy of the server: the tests must fail each time.

A test that has never failed proves little. Each bug is a patch that fits the code exactly once. The tests must fail on
the patched copy, and pass on an unpatched one.

    python3 scripts/bench/fuzz/mutation_tests.py              the quickest tests that detect each bug
    python3 scripts/bench/fuzz/mutation_tests.py --machine    only the test that is a state machine
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from scripts.bench.arguments import use_venv
from scripts.dotvenv import ROOT
from tests.harness.mutants import GUARD, Mutant

JUDGED, ANSWERED, RACED = (
    "tests/domain/test_rotation.py",
    "tests/pipeline/test_refresh_answers.py",
    "tests/pipeline/test_races.py",
)
MACHINE = "tests/pipeline/test_refresh_machine.py"
_LIMIT = 300  # seconds, after which tests have hung

# The copy is imported before pytest changes the path, so that the tests use it. Hypothesis does not look for the
# smallest failing example, which would take minutes.
_RUN = """
import sys, authserver, pytest
from hypothesis import Phase, settings
assert authserver.__file__.startswith(sys.argv[1]), authserver.__file__
settings.register_profile("ci", settings.get_profile("ci"), phases=[Phase.explicit, Phase.generate])
sys.exit(pytest.main(sys.argv[2:]))
"""
_QUIETLY = ("-q", "-x", "-rfE", "--tb=no", "--no-header", "--assert=plain")


@dataclass(frozen=True)
class Bug:
    plant: Mutant
    tests: str


@dataclass(frozen=True)
class Run:
    passed: bool
    failure: str | None
    """The first test that failed. None if none did: if the run did not pass either, no test was run."""
    seconds: float
    output: str


def _bug(what: str, file: str, tests: str, old: str, new: str) -> Bug:
    return Bug(Mutant(what, file, old, new), tests)


_ROTATION, _TOKEN, _GRANT = "domain/rotation.py", "domain/refresh_token.py", "oauth/grants/refresh_token.py"
BUGS = (
    _bug(
        "grace for older generations",
        _ROTATION,
        JUDGED,
        "previous = generation == authorization.generation - 1",
        "previous = generation < authorization.generation",
    ),
    _bug(
        "grace for revoked authorizations",
        _ROTATION,
        JUDGED,
        "return authorization.revoked_at is not None or now >= authorization.ends_at",
        "return now >= authorization.ends_at",
    ),
    _bug(
        "comparison in whole seconds",
        _ROTATION,
        JUDGED,
        "elapsed < policy.refresh_retry_window * SECOND",
        "elapsed // SECOND <= policy.refresh_retry_window",
    ),
    _bug(
        "ownership not checked first",
        _ROTATION,
        ANSWERED,
        "if authorization.client_id != client.id:",
        "if authorization.client_id != client.id and generation >= authorization.generation:",
    ),
    _bug(
        "reuse that does not revoke",
        _GRANT,
        ANSWERED,
        "writes=revocation, ",
        "",
    ),
    _bug(
        "absolute end forgotten",
        "domain/models/authorization.py",
        JUDGED,
        "ends_at = min(self.idle_expires_at, self.expires_at)",
        "ends_at = self.idle_expires_at",
    ),
    _bug(
        "idle end past the absolute one",
        "store/authorizations.py",
        ANSWERED,
        "idle_until = min(now + advance.idle_ttl * SECOND, advance.expires_at)",
        "idle_until = now + advance.idle_ttl * SECOND",
    ),
    _bug(
        "retry that advances the generation",
        _GRANT,
        ANSWERED,
        "if self.verdict is Verdict.RETRY:",
        "if self.verdict is None:",
    ),
    _bug(
        "non-canonical spelling accepted",
        _TOKEN,
        ANSWERED,
        "if not _FORM.fullmatch(text):",
        'if not _FORM.fullmatch(text := text.strip().rstrip("=")):',
    ),
    Bug(GUARD, RACED),
)
NO_BUG = Mutant("none", "__init__.py", "__version__ =", "__version__ =")


def plant_and_run(plant: Mutant, *tests: str) -> Run:
    """Run these tests on a copy of the server with this bug."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        plant.put_into(folder)
        began = perf_counter()
        done = subprocess.run(
            [sys.executable, "-P", "-c", _RUN, str(folder), *_QUIETLY, *tests],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            timeout=_LIMIT,
        )
    failure = re.search(r"^FAILED tests/\S*?::(\w+)", done.stdout, re.MULTILINE)
    return Run(done.returncode == 0, failure and failure[1], perf_counter() - began, done.stdout + done.stderr)


def is_caught(run: Run) -> bool:
    """Whether the tests detected the bug. Tests that could not be collected detected nothing."""
    return not run.passed and run.failure is not None


def hunt(bugs: Sequence[Bug]) -> bool:
    """Return whether all bugs are detected, and the same tests pass without a bug. Prints a line for each."""
    jobs = [(NO_BUG, tuple(dict.fromkeys(bug.tests for bug in bugs))), *((bug.plant, (bug.tests,)) for bug in bugs)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda job: plant_and_run(job[0], *job[1]), jobs))
    return all([_print_result(plant, run) for (plant, _), run in zip(jobs, runs, strict=True)])


def _print_result(plant: Mutant, run: Run) -> bool:
    good = run.passed if plant is NO_BUG else is_caught(run)
    said = "all pass" if run.passed else run.failure or "no test ran"
    print(f"{'ok' if good else 'FAILED':6}  {run.seconds:5.1f} s  {plant.what:55}  {said}", flush=True)
    if not good:
        print(run.output)
    return good


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", action="store_true", help="run only the test that is a state machine")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    machine = _parse(arguments).machine
    return 0 if hunt([Bug(bug.plant, MACHINE) for bug in BUGS] if machine else BUGS) else 1


if __name__ == "__main__":
    use_venv()
    sys.exit(main())

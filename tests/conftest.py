"""What every test may use: a clock to move by hand, a database, the server in this process, the server as a process."""

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from authserver import passwords
from authserver.app import assemble, create_app
from authserver.keyring import passphrase
from authserver.keyring.lifecycle import Lifecycle
from authserver.passwords import PasswordHasher
from authserver.provisioning import lifecycle as lifecycle_of
from authserver.settings import Settings, load
from authserver.store.database import Database
from tests.harness import compiled_once, unsynced
from tests.harness.clock import Clock
from tests.harness.constants import ISSUER, PASSWORD
from tests.harness.events import assert_documented
from tests.harness.hsm import softhsm  # noqa: F401
from tests.harness.sample_database import as_client, populated
from tests.harness.spare_keys import SPARE_KEYS
from tests.harness.spare_keys import used as spare_keys_used

# No deadline, and no random seed. A run of other tests still has other examples: hypothesis draws some values from the
# constants in whatever modules are loaded.
hypothesis.settings.load_profile("ci")
# Their assertions are reported as those of tests. Here, because tests of several folders import them.
pytest.register_assert_rewrite("tests.readme.journey", "tests.readme.terminal", "tests.readme.blocks")

FAST = (
    "backup",
    "domain",
    "event_delivery",
    "fetch",
    "keyring",
    "mail",
    "oauth",
    "observability",
    "pages",
    "pipeline",
    "resource",
    "serving",
    "settings",
    "store",
    "testing",
    "web",
)
"""Where the tests of `--fast` are, beside those directly in tests/; what they leave out has a fixture or file below, or
is marked `thorough`: a hundredth of these tests, which takes a sixth of their time."""
SLOW_FIXTURES = {"postgres", "serializable", "softhsm", "real"}
SLOW_FILES = {
    "observability/test_sheet.py",
    "observability/test_tracing.py",
    "pages/test_chromium.py",
    "pages/test_flow.py",
    "pages/test_recovery.py",
    "pipeline/test_refresh_machine.py",
    "keyring/test_files.py",
    "resource/test_guard_api.py",
    "resource/test_guard_forks.py",
    "store/test_init_at_once.py",
    "store/test_logout_tokens.py",
    "serving/test_connection.py",
    "serving/test_draining.py",
    "serving/test_idle_memory.py",
    "serving/test_imports_at_start.py",
    "store/test_pooler.py",
    "store/test_postgres_connection.py",
    "store/test_postgres_refusals.py",
    "store/test_sqlite_failures.py",
    "store/test_threads.py",
    "test_file_modes.py",
    "test_import_contracts.py",
    "test_leaks.py",
    "testing/test_issuer.py",
    "testing/test_elsewhere.py",
    "testing/test_sign_in.py",
    "web/test_disconnected.py",
    "web/test_end_to_end.py",
    "web/test_fuzz.py",
    "web/test_refused_refresh.py",
    "web/test_wire.py",
}
LONG_FILES = {
    "domain/test_key_transitions.py",
    "event_delivery/test_webhook.py",
    "keyring/test_lifecycle_revoke.py",
    "mail/test_sender.py",
    "observability/test_metrics.py",
    "pages/test_responses.py",
    "test_foreign_hashes.py",
    "web/test_account_pages.py",
    "web/test_account_sign_in.py",
    "web/test_attempt_limits.py",
    "web/test_authorization_code.py",
    "web/test_authorize.py",
    "web/test_change_email.py",
    "web/test_deletion_mails.py",
    "web/test_interactions.py",
    "web/test_pages_dir.py",
    "web/test_reset.py",
    "web/test_reset_password.py",
    "web/test_sign_up.py",
    "web/test_userinfo.py",
}
"""These start no process, and take a third of the time: the pages that people see, above all."""
FULL_COST = {passwords: passwords.COST, passphrase: passphrase.COST}
PROCESS_EVENTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fast",
        action="store_true",
        help="only what is quick and starts no process: under a minute on two idle cores",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("fast"):
        sys.addaudithook(_start_nothing)


def _start_nothing(event: str, _: object) -> None:
    test = os.environ.get("PYTEST_CURRENT_TEST")
    if test and event in PROCESS_EVENTS:
        raise RuntimeError(f"{test} starts a process: leave it out of --fast, in tests/conftest.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that `--fast` leaves out are not even imported, which takes as long as a third of its tests."""
    left_out = collection_path.suffix == ".py" and not _may_be_fast(collection_path)
    return True if config.getoption("fast") and left_out else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("fast"):
        slow = [item for item in items if not _is_fast(item)]
        items[:] = [item for item in items if _is_fast(item)]
        config.hook.pytest_deselected(items=slow)
    items[:] = _spread(items, getattr(config, "workerinput", {}).get("workercount", 1))


def pytest_collection_finish() -> None:
    """What was imported stays until the end: looking for garbage in it was a tenth of the time."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """Save what `--coverage` measured in this process: pytest-xdist kills a worker that takes over 10 s to exit."""
    coverage: Any = sys.modules.get("coverage")
    if coverage and (measured := coverage.Coverage.current()):
        measured.save()


def _spread(items: list[pytest.Item], workers: int) -> Iterator[pytest.Item]:
    """Each worker of pytest-xdist gets a part of the list. It begins with its share of the slow tests, so that none is
    left for the end, and that the others use the time in which these wait for a process."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    quick = [item for item in items if not item.get_closest_marker("slow")]
    for number in range(workers):
        for kind in (slow, quick):
            yield from kind[len(kind) * number // workers : len(kind) * (number + 1) // workers]


def _may_be_fast(file: Path) -> bool:
    place = file.relative_to(Path(__file__).parent)
    return (len(place.parts) == 1 or place.parts[0] in FAST) and str(place) not in SLOW_FILES | LONG_FILES


def _is_fast(item: pytest.Item) -> bool:
    fixtures = {*getattr(item, "fixturenames", ()), *re.findall(r"\w+", item.name)}  # "url" of a test_it[postgres]
    return not SLOW_FIXTURES & fixtures and not item.get_closest_marker("thorough")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the developer's own settings, keys or database."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """In this process a password costs microseconds, not 50 ms, and a backup's passphrase not 200: hashing was half of
    the time of these tests. Processes that they start pay the full cost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "COST", (1, 16))
        patch.setattr(passphrase, "COST", (1, 16, 1))
        yield


@pytest.fixture(scope="session", autouse=True)
def spare_keys() -> Iterator[None]:
    with spare_keys_used():
        yield


@pytest.fixture(scope="session", autouse=True)
def cheap_servers() -> Iterator[None]:
    """A server in this process compiles nothing that an earlier one has compiled, and does not wait for the disk."""
    with compiled_once.used(), unsynced.used():
        yield


@pytest.fixture(autouse=True)
def keys_taken_back(spare_keys: None) -> Iterator[None]:
    with SPARE_KEYS.taken_back():
        yield


@pytest.fixture(scope="module")
def full_cost(cheap_passwords: None) -> Iterator[None]:
    """For tests of what a password or a passphrase costs."""
    with pytest.MonkeyPatch.context() as patch:
        for module, cost in FULL_COST.items():
            patch.setattr(module, "COST", cost)
        yield


@pytest.fixture(scope="session")
def password_hash(cheap_passwords: None) -> str:
    hasher = PasswordHasher()
    hashed = hasher.hash(PASSWORD)
    hasher.close()
    return hashed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(issuer=ISSUER, database_url=f"sqlite:///{tmp_path}/as.db", keys_dir=str(tmp_path / "keys"))


@pytest.fixture
def database(settings: Settings, clock: Clock, password_hash: str) -> Iterator[Database]:
    """Initialised, with keys, the user ada and four clients: app, web, other and machine."""
    database = populated(settings, clock, password_hash)
    yield database
    database.close()


@pytest.fixture
def http(database: Database, settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """The server in this process, its clock in the test's hands."""
    with TestClient(create_app(settings, now=clock), ISSUER, raise_server_exceptions=False) as http:
        yield http


@pytest.fixture
def lifecycle(settings: Settings, database: Database, clock: Clock) -> Lifecycle:
    """What another process changes the keys with."""
    return lifecycle_of(settings, database, clock)


@pytest.fixture
def started(settings: Settings, database: Database, clock: Clock) -> Iterator[Callable[[], TestClient]]:
    """`started()` is a server that reads its keys when it starts, and then only when a request needs that."""
    with ExitStack() as servers:

        def started() -> TestClient:
            app = assemble(settings, now=clock, enable=()).app
            return servers.enter_context(TestClient(app, ISSUER, raise_server_exceptions=False))

        yield started


@pytest.fixture
def token(http: TestClient) -> Callable[..., Any]:
    """`token("password", "web", username=...)` posts to /token as that client; returns the response."""

    def token(grant_type: str, client_id: str = "app", **parameters: str) -> Any:
        return http.post("/token", data=as_client(client_id) | {"grant_type": grant_type} | parameters)

    return token


@pytest.fixture
def login(token: Callable[..., Any]) -> Callable[..., Any]:
    """`login()` logs ada in; returns the members of the answer."""

    def login(client_id: str = "app", **parameters: str) -> Any:
        answer = token("password", client_id, username="ada", password=PASSWORD, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return login


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What is logged from now on; nothing that docs/reference/events.md does not describe."""
    seen: list[Any] = []
    with capture_logs() as entries:
        yield entries
        seen += entries
    assert_documented(seen)

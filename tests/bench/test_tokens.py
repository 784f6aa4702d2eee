"""scripts/bench/speed/tokens.py, small: each operation is measured, on each way to run the server, and of a peer. How
fast a server is, no test asserts."""

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.bench.chart import Chart
from scripts.bench.speed import peer, sample, tokens
from scripts.bench.speed.measuring import OPERATIONS, Figures
from scripts.bench.speed.tokens import Case, Results
from tests.harness import npm
from tests.harness.constants import PASSWORD
from tests.harness.databases import missing
from tests.harness.http_client import Response, connect, get, load, post, run
from tests.harness.live import Live, live
from tests.harness.process import free_port, owned, wait_until_listening

PEER = Path(tokens.__file__).parent / "peers" / "node_oidc_provider.mjs"
SMALL = ("--rounds", "1", "--seconds", "0.4", "--connections", "4")
FIGURES = Figures(share=0.6, rate=2500, cpu=140, p50=10, p99=20, half_p50=2, half_p99=4, raw=4000)


def measured(folder: Path, *more: str) -> Results:
    results = tokens.measured(tokens.parse([*SMALL, *more]), folder)
    for case, figures in results.items():
        assert figures.rate > 0 and figures.raw > 0, case
        assert 0 < figures.p50 <= figures.p99 and 0 < figures.half_p50 <= figures.half_p99, case
    return results


@pytest.mark.slow
def test_each_operation_is_measured(tmp_path: Path) -> None:
    assert list(measured(tmp_path)) == [Case("RS256, sqlite", 4, operation) for operation in OPERATIONS]


@pytest.mark.slow
def test_each_way_to_run_the_server_is_measured_in_the_same_rounds(tmp_path: Path) -> None:
    ways = ("--algorithm", "RS256", "ES256", "--authorizations", "4", "50", "--connections", "2", "4")
    cases = list(measured(tmp_path, "--operation", "refresh", *ways))
    named = [f"{algorithm}, sqlite, {rows} authorizations" for algorithm in ("RS256", "ES256") for rows in (4, 50)]
    assert cases == [Case(name, connections, "refresh") for name in named for connections in (2, 4)]


@pytest.mark.slow
def test_several_workers_on_postgresql_are_measured(tmp_path: Path) -> None:
    if why := missing("postgresql"):
        pytest.skip(why)
    asked = ("--operation", "client_credentials", "--workers", "2", "--database", "postgresql")
    assert list(measured(tmp_path, *asked)) == [Case("RS256, postgresql, 2 workers", 4, "client_credentials")]


@pytest.mark.slow
def test_another_server_is_measured_by_the_same_clients(tmp_path: Path) -> None:
    (tmp_path / "peer").mkdir()
    with live(tmp_path / "peer") as server:
        grants = [f"--grant={name}" for name in ("client_credentials", "password", "refresh_token")]
        client = server.command("client", "create", "Peer", *grants, "--scope", "read")
        own = ["--client-id", client["client_id"], "--client-secret", client["client_secret"], "--parameter=scope=read"]
        tokens_file = tmp_path / "tokens"
        tokens_file.write_text("\n".join(refresh_tokens(server, client)))
        urls = ["--token-url", f"{server.url}/token", "--jwks-url", f"{server.url}/.well-known/jwks.json"]
        process = ["--pid", str(server.running.pid), "--peer", "other", "--refresh-tokens", str(tokens_file)]
        cases = list(measured(tmp_path, "--operation=refresh", "--operation=jwks", *own, *urls, *process))
    assert cases == [
        Case(name, 4, operation) for name in ("RS256, sqlite", "other") for operation in ("refresh", "jwks")
    ]


@pytest.mark.slow
@npm.needs_npm
def test_node_oidc_provider_is_measured(tmp_path: Path) -> None:
    npm.install(tmp_path, "oidc-provider")
    program, port, tokens_file = tmp_path / PEER.name, free_port(), tmp_path / "tokens"
    shutil.copy(PEER, program)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["node", program, str(port), tokens_file], stdout=log, stderr=log)
    with owned(process):
        wait_until_listening(port, process, tmp_path / "log")
        url = f"http://127.0.0.1:{port}"
        urls = ["--token-url", f"{url}/token", "--jwks-url", f"{url}/jwks", "--refresh-tokens", str(tokens_file)]
        own = ["--client-secret", sample.SECRET, "--pid", str(process.pid), "--peer", "node-oidc-provider"]
        names = ("client_credentials", "refresh", "jwks")
        cases = list(measured(tmp_path, *urls, *own, *(f"--operation={name}" for name in names)))
    assert cases == [
        Case(name, 4, operation) for name in ("RS256, sqlite", "node-oidc-provider") for operation in names
    ]


def refresh_tokens(server: Live, client: dict[str, str]) -> list[str]:
    own = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    request = post("/token", {"grant_type": "password", "username": "ada", "password": PASSWORD} | own)
    return [str(run(ask(server.port, request)).refresh_token) for _ in range(4)]


async def ask(port: int, request: bytes) -> Response:
    connection = await connect(port)
    try:
        return await connection.ask(request)
    finally:
        connection.close()


def test_a_server_elsewhere_is_not_measured(tmp_path: Path) -> None:
    asked = tokens.parse(["--operation", "jwks", "--token-url", "http://192.0.2.1/token", "--pid", "1"])
    with pytest.raises(SystemExit, match="must begin with http://127.0.0.1"):
        peer.from_arguments(asked, [0])


def test_what_an_operation_needs_is_measured_too() -> None:
    assert tokens.with_needs(["revoke"]) == ["authorize", "redeem", "revoke"]
    assert tokens.with_needs(["introspect"]) == ["refresh", "introspect"]
    assert tokens.with_needs(["refresh"]) == ["refresh"]


def test_figures_are_written_and_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    results = {Case("RS256, sqlite", 64, "refresh"): FIGURES, Case("other", 64, "refresh"): FIGURES._replace(share=0.1)}
    before = {case: figures._replace(share=figures.share / 2, cpu=figures.cpu * 4) for case, figures in results.items()}
    file = tmp_path / "before.json"
    file.write_text(tokens.to_json(before))
    asked = tokens.parse(
        ["--compare", str(file), "--json", str(tmp_path / "now.json"), "--chart", str(tmp_path / "chart.json")]
    )
    assert tokens.print_result(asked, results)
    assert tokens.from_json((tmp_path / "now.json").read_text()) == results
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["refresh", "0.60", "2500", "140", "10.0", "20.0", "2.0", "4.0"] in shown
    assert ["RS256,", "sqlite,", "64:", "refresh", "2.00", "0.25", "1.00"] in shown
    bars = Chart.load(tmp_path / "chart.json").bars
    assert bars == {"raw RSA-2048 signature": 1.0, "refresh_token, durable": 0.6, "refresh, other": 0.1}


@pytest.mark.parametrize(
    ("operation", "worse", "fault"),
    [
        ("refresh", {"share": 0.1}, "refresh is below"),
        ("redeem", {"cpu": 300}, "a redemption costs more than"),
        ("authorize", {"cpu": 210}, "an authorization request costs more than"),
    ],
)
def test_a_bound_that_is_not_held_is_said(
    operation: str, worse: dict[str, float], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {Case("RS256, sqlite", 64, name): FIGURES for name in ("refresh", "redeem", "authorize")}
    assert tokens.print_result(tokens.parse([]), results)
    slow = Case("RS256, sqlite", 64, operation)
    assert not tokens.print_result(tokens.parse([]), results | {slow: FIGURES._replace(**worse)})
    assert f"NOT HELD: {fault}" in capsys.readouterr().out


@pytest.mark.slow
def test_with_an_interval_no_more_requests_are_sent_than_are_due(tmp_path: Path) -> None:
    with live(tmp_path) as server:
        done = run(load(server.port, [lambda last: get("/health/live")] * 3, seconds=1, interval=0.25))
    assert 3 <= len(done.latencies) <= 12 and set(done.statuses) == {200}

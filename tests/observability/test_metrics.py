"""What /metrics says after requests, and that nothing of what a caller sends becomes a label."""

import sys
from collections.abc import Callable
from resource import RLIMIT_NOFILE, getrlimit
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from authserver.app import Assembly
from authserver.domain.mail import new_mail
from authserver.domain.outbox import KINDS, LOGOUT, NewMessage
from authserver.observability import metrics
from authserver.observability.exposition import ALIVE
from authserver.store import outbox
from authserver.store.database import Database
from tests.harness.clock import Clock
from tests.harness.constants import SECOND
from tests.harness.existing import existing
from tests.observability.conftest import Samples
from tests.web.serving import execute

Scrape = Callable[[], Samples]
CANARY = "c4n4ry"


def changed(before: Samples, after: Samples, *names: str) -> dict[str, float]:
    """The samples of these metrics that changed, with the difference."""
    return {
        sample: value - before.get(sample, 0)
        for sample, value in after.items()
        if sample.startswith(names) and value != before.get(sample, 0)
    }


def test_requests_are_counted_by_endpoint_and_class_of_status(http: TestClient, scrape: Scrape) -> None:
    for path in ("/health/live", "/health/live", "/static/style.css", "/nowhere", f"/{CANARY}"):
        http.get(path)
    http.get("/token")
    http.post("/token", data={"grant_type": CANARY, "client_id": CANARY})
    http.get("/.well-known/oauth-authorization-server")
    after = scrape()
    assert changed({}, after, "authserver_http_requests_total") == {
        'authserver_http_requests_total{endpoint="/health/live",status="2xx"}': 2,
        'authserver_http_requests_total{endpoint="/static",status="2xx"}': 1,
        'authserver_http_requests_total{endpoint="other",status="4xx"}': 2,
        'authserver_http_requests_total{endpoint="/token",status="4xx"}': 2,
        'authserver_http_requests_total{endpoint="/.well-known/oauth-authorization-server",status="2xx"}': 1,
    }
    assert after['authserver_http_request_duration_seconds_count{endpoint="/token"}'] == 2


def test_each_verdict_on_a_refresh_token_is_counted_once(
    log_in: Callable[..., Any], refresh: Callable[..., Any], scrape: Scrape, clock: Clock
) -> None:
    first = log_in().json()["refresh_token"]
    second = refresh(first).json()["refresh_token"]
    refresh(first)
    refresh(second, "web", client_secret="wrong")
    refresh("not a token")
    clock.forward(31)
    refresh(first)
    refresh(second)
    assert changed({}, scrape(), "authserver_refresh_tokens_total") == {
        f'authserver_refresh_tokens_total{{verdict="{verdict}"}}': 1
        for verdict in ("rotate", "retry", "reuse", "unknown", "dead")
    }


def test_refusals_are_counted_by_reason_and_events_by_name(
    http: TestClient, log_in: Callable[..., Any], scrape: Scrape
) -> None:
    log_in()
    log_in("wrong")
    http.post("/token", data={"grant_type": "password", "client_id": CANARY, "username": CANARY})
    http.post("/token", data={"grant_type": "client_credentials", "client_id": "app", "scope": "é"})
    after = scrape()
    assert changed({}, after, "authserver_refusals_total") == {
        'authserver_refusals_total{reason="wrong_password"}': 1,
        'authserver_refusals_total{reason="no_such_client"}': 1,
        'authserver_refusals_total{reason="client_not_registered_for"}': 1,
    }
    assert changed({}, after, "authserver_events_total") == {
        'authserver_events_total{event="login"}': 1,
        'authserver_events_total{event="login_failed"}': 1,
        'authserver_events_total{event="client_authentication_failed"}': 1,
        'authserver_events_total{event="refused"}': 3,
    }


def test_every_step_is_timed_and_every_group_counted(log_in: Callable[..., Any], scrape: Scrape) -> None:
    log_in()
    after = scrape()
    assert steps_timed(after) == dict.fromkeys(metrics.STEP_DURATION.labels["step"], 1)
    assert after['authserver_pipeline_step_duration_seconds_sum{step="authenticate"}'] > 0
    groups = after["authserver_commit_group_size_count"]  # the attempt is counted in one, the login is in another
    assert groups == after["authserver_commit_group_size_sum"] == after["authserver_commit_duration_seconds_count"] == 2


def test_the_steps_of_one_attempt_in_sixteen_are_timed(http: TestClient, scrape: Scrape) -> None:
    for _ in range(metrics.TIMED_EVERY + 1):
        http.post("/token", data={"grant_type": "refresh_token", "client_id": "app", "refresh_token": "x"})
    assert steps_timed(scrape())["accept_client"] == 2 and metrics.TIMED_EVERY == 16


def steps_timed(after: Samples) -> dict[str, float]:
    name = "authserver_pipeline_step_duration_seconds_count"
    return {step: after[f'{name}{{step="{step}"}}'] for step in metrics.STEP_DURATION.labels["step"]}


def test_an_attempt_that_begins_again_is_counted(http: TestClient, scrape: Scrape) -> None:
    """A wrong secret makes the pipeline read the client again, whose row may be newer than the cached one."""
    for _ in range(2):
        http.post("/token", data={"grant_type": "password", "client_id": "web", "client_secret": "wrong"})
    assert scrape()["authserver_conflicts_total"] == 2


def test_keys_are_shown_by_state_with_the_time_of_their_next_change(scrape: Scrape, clock: Clock) -> None:
    after = scrape()
    keys = {sample: value for sample, value in after.items() if sample.startswith("authserver_signing_keys{")}
    assert len(keys) == 12 and {sample for sample, value in keys.items() if value} == {
        'authserver_signing_keys{alg="RS256",state="pending"}',
        'authserver_signing_keys{alg="RS256",state="active"}',
    }
    promote = after['authserver_signing_key_next_change_timestamp_seconds{alg="RS256",change="promote"}']
    assert promote == clock() / SECOND + 90 * 86400


def test_a_process_that_no_longer_samples_takes_its_gauges_with_it_but_not_its_counts(
    log_in: Callable[..., Any], assembly: Assembly, scrape: Scrape, clock: Clock
) -> None:
    log_in()
    before = scrape()
    assert before["authserver_workers"] == 1 and before['authserver_password_queue{worker="0"}'] == 0
    clock.forward(ALIVE / SECOND)
    after = scrape()
    assert after["authserver_workers"] == 0 and not [sample for sample in after if "worker=" in sample]
    assert after['authserver_events_total{event="login"}'] == 1
    assert assembly.metrics
    assembly.metrics.sample()
    assert scrape()["authserver_workers"] == 1


def test_a_process_shows_its_start_and_what_it_uses(scrape: Scrape, clock: Clock) -> None:
    after = scrape()
    [build] = [value for sample, value in after.items() if sample.startswith("authserver_build_info{")]
    assert build == after["authserver_worker_starts_total"] == 1
    assert after['process_start_time_seconds{worker="0"}'] == clock() / SECOND
    assert after['process_max_fds{worker="0"}'] == getrlimit(RLIMIT_NOFILE)[0]
    if sys.platform == "linux":
        assert after['process_open_fds{worker="0"}'] > 0
        assert after['process_resident_memory_bytes{worker="0"}'] > 1_000_000


def test_malformed_requests_are_counted(http: TestClient, assembly: Assembly, scrape: Scrape) -> None:
    for _ in range(3):
        http.post("/token", content=b"x", headers={"Content-Type": "text/plain"})
    assert assembly.metrics
    assembly.metrics.sample()
    assert scrape()["authserver_malformed_requests_total"] == 3


def test_attempts_to_send_a_message_are_counted_by_kind_and_outcome(
    http: TestClient, assembly: Assembly, database: Database, scrape: Scrape, clock: Clock
) -> None:
    with database.begin() as connection:
        outbox.add_many(connection, [new_mail("test", "ada@example.com", "en")], clock())
    existing(http.portal).call(assembly.tasks.deliver_outbox)
    existing(http.portal).call(assembly.tasks.outbox.finish)
    assert changed({}, scrape(), "authserver_outbox_attempts_total") == {
        'authserver_outbox_attempts_total{kind="mail",outcome="failed"}': 1
    }


def test_what_waits_in_the_outbox_is_shown_by_kind_with_the_age_of_the_oldest(
    http: TestClient, assembly: Assembly, database: Database, scrape: Scrape, clock: Clock
) -> None:
    def measured(name: str) -> dict[str, float]:
        existing(http.portal).call(assembly.tasks.measure_outbox)
        shown = scrape()
        return {kind: shown[f'authserver_outbox_{name}{{kind="{kind}"}}'] for kind in KINDS}

    assert measured("waiting") == {"logout": 0, "mail": 0} == measured("oldest_age_seconds")
    mail = new_mail("test", "ada@example.com", "en")
    for messages in ([mail], [mail, NewMessage(LOGOUT, "app", client_id="app")]):
        with database.begin() as connection:
            outbox.add_many(connection, messages, clock())
        clock.forward(60)
    assert measured("waiting") == {"logout": 1, "mail": 2}
    assert measured("oldest_age_seconds") == {"logout": 60, "mail": 120}
    execute(database, "UPDATE outbox SET next_at = NULL, finished_at = 5")
    assert measured("waiting") == {"logout": 0, "mail": 0} == measured("oldest_age_seconds")


def test_it_is_what_prometheus_reads_in_both_of_its_formats(management: TestClient) -> None:
    plain = management.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert plain.headers["cache-control"] == "no-store"
    families = {family.name for family in text_string_to_metric_families(plain.text)}
    described = {metric.name for metric in (*metrics.COUNTED, *metrics.SAMPLED, *metrics.COMPUTED)}
    assert families == described
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    newer = management.get("/metrics", headers={"Accept": accept})
    assert newer.headers["content-type"].startswith("application/openmetrics-text") and newer.text.endswith("# EOF\n")


@pytest.mark.parametrize("version", ["x", "1.x", "1.0.0;escaping=x", "", "9" * 5000])
def test_an_accept_header_that_makes_no_sense_is_as_good_as_none(management: TestClient, version: str) -> None:
    answer = management.get("/metrics", headers={"Accept": f"application/openmetrics-text;version={version}"})
    assert (answer.status_code, answer.text[:6]) == (200, "# HELP")


def test_no_label_has_a_value_that_is_not_in_its_list(
    http: TestClient, log_in: Callable[..., Any], refresh: Callable[..., Any], management: TestClient
) -> None:
    token = log_in().json()["refresh_token"]
    for hostile in (CANARY, '"', "\n", "é" * 100, token):
        refresh(hostile, hostile)
        http.post("/token", data={"grant_type": "password", "client_id": "app", "username": hostile, "password": "x"})
        http.get("/x", params={"x": hostile}, headers={"X-Forwarded-For": "192.0.2.1", "User-Agent": CANARY})
    text = management.get("/metrics").text
    assert CANARY not in text and token not in text and "u_ada" not in text
    allowed = {metric.exposed_name: metric.labels for metric in (*metrics.COUNTED, *metrics.COMPUTED)}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            base = sample.name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            for label, value in sample.labels.items():
                values = allowed.get(base, {}).get(label)
                assert not values or value in values, sample


def test_the_public_address_serves_no_metrics_and_the_management_address_no_tokens(
    http: TestClient, management: TestClient
) -> None:
    assert http.get("/metrics").status_code == 404
    assert [management.get(path).status_code for path in ("/token", "/", "/api/login", "/metrics/")] == [404] * 4
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert management.request(method, "/metrics").status_code == 405
    assert management.get("/health/ready").json() == {"status": "ok"}
    assert management.get("/health/live").headers["x-request-id"]

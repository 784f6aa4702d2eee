"""`authserver doctor`: each kind of fault is found, and named with its fix."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import Result

from authserver import cpu, system
from authserver.cli.doctor import (
    clients_check,
    deliveries_check,
    departures,
    issuer_check,
    keys_check,
    limits_check,
    machine_check,
    mail_check,
    proxies_check,
    settings_check,
)
from authserver.cli.doctor.database_check import clock_finding
from authserver.domain.delivery import Progress
from authserver.domain.key_schedule import KeyPolicy
from authserver.domain.models import SECOND, Client, Secret, SigningKey
from authserver.settings import Settings
from authserver.store.outbox import Waiting
from tests.harness.live import live
from tests.harness.mail_server import receiving_mail
from tests.harness.process import free_port

PUBLIC = "https://login.example"
METADATA = "/.well-known/oauth-authorization-server"


def test_a_new_installation_has_no_error_and_every_check_has_a_finding(data: Callable[..., Any], here: Path) -> None:
    rows = data("doctor", "--offline")
    assert all(list(row) == ["check", "level", "finding", "fix"] for row in rows)
    checks = {"settings", "proxies", "limits", "workers", "passwords", "mail", "database", "outbox"}
    checks |= {"clients", "rfc9700", "keys"}
    assert {row["check"] for row in rows} == checks
    assert "error" not in {row["level"] for row in rows}


def test_a_setting_that_is_refused_is_the_only_finding(data: Callable[..., Any], here: Path) -> None:
    [row] = data("doctor", code=1, ISSUER="http://login.example")
    assert (row["level"], row["fix"]) == ("error", "AUTHSERVER_ISSUER=https://login.example")
    assert "is http, not https, on a host that is not loopback" in row["finding"]


def test_a_warning_is_an_exit_code_only_when_asked_and_comes_with_its_fix(
    cli: Callable[..., Result], here: Path
) -> None:
    lines = cli("doctor", "--offline", "--strict", code=1, ACCESS_TOKEN_TTL="7200").stdout.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("warning  settings "))
    assert "Access tokens are valid for 2 hours." in lines[place]
    assert lines[place + 1].strip() == "Set AUTHSERVER_ACCESS_TOKEN_TTL to 3600 or less; clients refresh their tokens."
    assert lines[-1].startswith("0 errors, ")
    cli("doctor", "--offline", ACCESS_TOKEN_TTL="7200")


def test_a_folder_without_a_database_is_an_error_and_gets_none(data: Callable[..., Any], here: Path) -> None:
    rows = data("doctor", "--offline", code=1, DATABASE_URL="sqlite:///none.db")
    assert [row["check"] for row in rows if row["level"] == "error"] == ["database"]
    assert not Path("none.db").exists()


def test_files_that_others_can_read_are_named_with_their_fix(data: Callable[..., Any], here: Path) -> None:
    [key] = (here / "keys").glob("kek-*.key")
    (here / "authserver.db").chmod(0o644)
    key.chmod(0o644)
    rows = {row["check"]: row for row in data("doctor", "--offline", code=1)}
    assert rows["database"]["level"] == "warning"
    assert "other users may read the database" in rows["database"]["finding"]
    assert rows["database"]["fix"].startswith("chmod 600 ")
    assert rows["keys"]["level"] == "error"
    assert "can be read by others" in rows["keys"]["finding"]
    assert rows["keys"]["fix"] == f"chmod 600 {key.relative_to(here)}"


def test_a_signing_key_that_should_have_been_replaced_is_named() -> None:
    """No server has run for ten days after the key's time."""
    policy = KeyPolicy()
    key = SigningKey("k" * 43, "RS256", "active", {}, None, 900, created_at=0, activated_at=0)
    late = (policy.rotation_period + policy.lead_time + 10 * 86400) * SECOND
    found = list(keys_check.findings((key,), policy, late))
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert found[0].finding == "kkkkkkkk (RS256) signs 11 days longer than it should."
    assert found[1].finding == "No key is published to follow kkkkkkkk (RS256)."
    pending = replace(key, kid="p" * 43, state="pending")
    assert not list(keys_check.findings((key, pending), policy, policy.rotation_period * SECOND))


def test_settings_that_are_for_tests_are_named() -> None:
    found = settings_check.check(Settings(issuer=PUBLIC, access_token_ttl=7200))
    assert [finding.level for finding in found] == ["warning"]
    assert [finding.level for finding in settings_check.check(Settings(key_lead_time=10))] == ["warning", "info"]
    assert [finding.level for finding in settings_check.check(Settings(issuer=PUBLIC))] == ["ok"]


@pytest.mark.parametrize(
    ("address", "level"),
    [("127.0.0.1:9100", "ok"), ("[::1]:9100", "ok"), ("unix:/run/m.sock", "ok"), ("10.0.0.1:9100", "info")],
)
def test_a_management_address_that_others_may_reach_is_a_hint(address: str, level: str) -> None:
    [found] = settings_check.check(Settings(issuer=PUBLIC, management_address=address))
    assert found.level == level


def test_every_limit_that_is_off_is_named_with_its_default() -> None:
    assert [finding.level for finding in limits_check.check(Settings())] == ["ok"]
    [account, network] = limits_check.check(Settings(account_attempts=0, network_attempts=0))
    assert (account.level, account.fix) == ("warning", "AUTHSERVER_ACCOUNT_ATTEMPTS=200")
    assert (network.level, network.fix) == ("warning", "AUTHSERVER_NETWORK_ATTEMPTS=3000")


def test_a_receiver_of_events_that_fails_is_named() -> None:
    settings = Settings(audit_hook="my_audit:on_event")
    failed = Progress(failures=2, next_at=10 * SECOND)
    [found] = deliveries_check.check(settings, {"hook": failed, "webhook": failed}, 0)
    assert found.level == "warning"
    assert (
        found.finding == "No event is delivered to the hook: 2 attempts in a row failed. The next one is in 10 seconds."
    )
    assert [finding.level for finding in deliveries_check.check(settings, {}, 0)] == ["ok"]
    assert not list(deliveries_check.check(Settings(), {"hook": failed}, 0))


def test_a_receiver_is_checked_with_the_database(data: Callable[..., Any], here: Path) -> None:
    rows = data("doctor", "--offline", AUDIT_HOOK="json:dumps")
    assert [row["level"] for row in rows if row["check"] == "events"] == ["ok"]


def mail_settings(url: str, **others: Any) -> Settings:
    return Settings(smtp_url=url, mail_from="no-reply@example.com", **others)  # type: ignore[arg-type]


def test_where_mails_go_is_said() -> None:
    def found(settings: Settings) -> tuple[str, str]:
        finding = mail_check.check(settings, offline=True)
        return finding.level, finding.finding

    off = "No email is sent: AUTHSERVER_SMTP_URL is not set. "
    off += "People who forget their password need authserver user reset-link."
    assert found(Settings()) == ("info", off)
    without = found(Settings(sign_up="on"))[1]
    assert without == f"{off} At /sign-up they choose a username, which tells them whether it is taken."
    assert found(mail_settings("file:mails")) == ("info", "No email is sent: each becomes a file in mails.")
    assert found(mail_settings("file:mails", issuer=PUBLIC))[0] == "warning"
    server = found(mail_settings("smtps://me:canary@smtp.example.com"))
    assert server == ("ok", "Email is sent through smtp.example.com:465, which was not tested.")


def test_a_mail_server_is_tried() -> None:
    with receiving_mail() as server:
        settings = mail_settings(f"smtp://127.0.0.1:{server.port}?starttls=off")
        found = mail_check.check(settings, offline=False)
        assert (found.level, found.finding) == ("ok", f"The mail server 127.0.0.1:{server.port} is ready.")
        without = mail_check.check(mail_settings(f"smtp://127.0.0.1:{server.port}"), offline=False)
    assert without.level == "error" and "does not offer STARTTLS" in without.finding
    down = mail_check.check(settings, offline=False)
    assert down.finding.endswith("but the mail server cannot be reached: Connection refused.")
    assert "authserver mail test ADDRESS" in down.fix


@pytest.mark.parametrize("reason", ["is down", "is down."])
def test_messages_that_fail_are_counted_for_each_receiver(reason: str) -> None:
    waiting = Waiting("mail example.com", 2, created_at=0, next_at=3610 * SECOND, reason=reason)
    [found] = mail_check.check_outbox([waiting], 3600 * SECOND)
    assert found.level == "warning"
    assert found.finding == "2 messages for mail example.com failed, the oldest of them 1 hour old: is down."
    assert found.fix == "The next attempt is in 10 seconds. To see each of them: authserver outbox list"
    assert [finding.level for finding in mail_check.check_outbox([], 0)] == ["ok"]


CONFIDENTIAL = Client("c", "C", "client_secret_basic", frozenset({"client_credentials"}), (), secrets=(Secret(b"h"),))
NATIVE = replace(CONFIDENTIAL, auth_method="none", grant_types=frozenset({"refresh_token"}), secrets=())


@pytest.mark.parametrize(
    ("uri", "client", "level"),
    [
        ("http://localhost:3000/back", NATIVE, "warning"),
        ("http://127.0.0.1:3000/back", NATIVE, "ok"),
        ("http://127.0.0.1:3000/back", CONFIDENTIAL, "warning"),
        ("https://app.example/back", CONFIDENTIAL, "ok"),
        ("com.example.app:/back", NATIVE, "info"),
    ],
)
def test_rfc8252_8_3_redirect_uris_that_others_could_receive_are_named(uri: str, client: Client, level: str) -> None:
    [found] = clients_check.check(Settings(issuer=PUBLIC), [replace(client, redirect_uris=(uri,))], 0)
    assert found.level == level
    assert level == "ok" or found.finding.startswith(f"The redirect URI {uri} of the client c ")


@pytest.mark.parametrize(
    ("client", "level"),
    [
        (replace(NATIVE, redirect_uris=("https://app.example/", "com.example.app:/back"), first_party=True), "warning"),
        (replace(NATIVE, redirect_uris=("https://app.example/",), first_party=True), "ok"),
        (replace(NATIVE, redirect_uris=("http://127.0.0.1/",)), "ok"),
        (replace(CONFIDENTIAL, redirect_uris=("https://app.example/",), first_party=True), "ok"),
    ],
)
def test_rfc8252_8_6_a_client_that_could_be_another_app_and_asks_for_no_consent_is_named(
    client: Client, level: str
) -> None:
    found = clients_check.check(Settings(issuer=PUBLIC), [client], 0)
    assert ("warning" in [finding.level for finding in found]) is (level == "warning")
    assert level == "ok" or "can receive the code at com.example.app:/back" in found[0].finding


@pytest.mark.parametrize(
    ("uri", "allowed", "level"),
    [
        ("https://app.example/logout", "", "ok"),
        ("http://app.internal/logout", "app.internal", "ok"),
        ("http://app.internal/logout", "", "error"),
        ("https://10.1.2.3/logout", "10.0.0.0/8", "ok"),
        ("https://10.1.2.3/logout", "", "error"),
        ("https://localhost/logout", "", "error"),
        ("https://[::1]:8443/logout", "", "error"),
    ],
)
def test_a_client_that_cannot_be_told_of_a_sessions_end_is_named(uri: str, allowed: str, level: str) -> None:
    settings = Settings(issuer=PUBLIC, fetch_allow=allowed or None)
    [found] = clients_check.check(settings, [replace(CONFIDENTIAL, backchannel_logout_uri=uri)], 0)
    assert found.level == level
    assert level == "ok" or "AUTHSERVER_FETCH_ALLOW does not name" in found.finding
    assert level == "ok" or f"AUTHSERVER_FETCH_ALLOW={urlsplit(uri).hostname}." in found.fix


@pytest.mark.parametrize(
    ("uri", "level"),
    [
        ("", "ok"),
        (f"{PUBLIC}/static/logo.png", "ok"),
        ("data:image/png;base64,iVBORw0KGgo=", "ok"),
        ("https://app.example/logo.png", "warning"),
        (f"{PUBLIC}.evil.example/logo.png", "warning"),
    ],
)
def test_a_logo_that_the_pages_cannot_show_is_named(uri: str, level: str) -> None:
    [found] = clients_check.check(Settings(issuer=PUBLIC), [replace(CONFIDENTIAL, logo_uri=uri)], 0)
    assert found.level == level
    assert level == "ok" or found.fix.endswith(f"authserver client update c --logo-uri {PUBLIC}/static/logo.png")


@pytest.mark.parametrize(
    ("ends", "level"),
    [((None,), "ok"), ((1, None), "ok"), ((5,), "error"), ((10 * 86400,), "warning"), ((15 * 86400, 1), "ok")],
)
def test_a_client_whose_last_secret_ends_is_named(ends: tuple[int | None, ...], level: str) -> None:
    secrets = tuple(Secret(b"h", end and end * SECOND) for end in ends)
    [found] = clients_check.check(Settings(), [replace(CONFIDENTIAL, secrets=secrets)], 5 * SECOND)
    assert found.level == level


@pytest.mark.parametrize(
    ("client", "level", "section"),
    [
        (replace(NATIVE, grant_types=frozenset({"password"})), "warning", "Section 2.4"),
        (replace(NATIVE, policy={"refresh_retry_window": 300}), "warning", "Section 4.14.2"),
        (replace(NATIVE, policy={"rotation": False}), "info", "Section 4.14.2"),
        (replace(NATIVE, audiences=("https://a.example", "https://b.example")), "info", "Section 2.3"),
        (replace(CONFIDENTIAL, pkce="optional"), "info", "Section 2.1.1"),
        (NATIVE, "ok", "Settings and clients follow"),
    ],
)
def test_departures_from_rfc9700_are_named_by_section(client: Client, level: str, section: str) -> None:
    [found] = departures.check(Settings(first_party_api="off", refresh_retry_window=0), [client])
    assert found.level == level
    assert found.finding.startswith(section)


def test_rfc9700_2_4_the_interface_that_takes_passwords_is_a_departure() -> None:
    [found] = departures.check(Settings(refresh_retry_window=0), [])
    assert (found.level, found.finding[:12]) == ("info", "Section 2.4:")


def test_rfc9700_4_14_2_the_retry_window_is_a_departure() -> None:
    [found] = departures.check(Settings(first_party_api="off"), [])
    assert (found.level, found.finding[:15]) == ("info", "Section 4.14.2:")
    assert "30 seconds" in found.finding and "AUTHSERVER_REFRESH_RETRY_WINDOW=0" in found.fix


@pytest.mark.parametrize(
    ("proxies", "level"),
    [
        ("10.0.0.0/8", "warning"),
        ("8.8.8.0/24", "warning"),
        ("8.8.8.8", "ok"),
        ("10.1.2.0/24,unix", "ok"),
        (None, "warning"),
    ],
)
def test_proxies_that_could_be_anybody_are_named(proxies: str | None, level: str) -> None:
    assert [row.level for row in proxies_check.check(Settings(issuer=PUBLIC, trusted_proxies=proxies))] == [level]


def test_the_number_of_workers_is_compared_with_the_cpus() -> None:
    cpus = cpu.available()
    levels = [machine_check.check_workers(workers)[0].level for workers in (cpus, 2 * cpus + 1)]
    assert levels == ["ok", "warning"]


def test_a_machine_that_is_too_slow_or_too_small_for_argon2_is_named() -> None:
    moments = iter(range(0, 60_000_000, 1_000_000))
    rows = machine_check.check_passwords(lambda: next(moments), memory=1024, workers=4)
    assert [row.level for row in rows] == ["warning", "warning"]
    assert "takes 1000 ms" in rows[0].finding


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (2, "ok"), (3, "warning"), (60, "warning"), (61, "error")])
def test_a_clock_that_is_wrong_is_named(seconds: int, level: str) -> None:
    assert clock_finding(seconds * SECOND, "the database's").level == level


def test_a_server_that_runs_is_asked_as_a_client_would(data: Callable[..., Any], here: Path) -> None:
    with live(here) as server:
        rows = data("doctor", ISSUER=server.url)
    assert [(row["check"], row["level"]) for row in rows[-3:]] == [("issuer", "ok"), ("issuer", "ok"), ("clock", "ok")]


@contextmanager
def answering(documents: dict[str, bytes], tls: SSLContext | None = None, date: str = "") -> Iterator[str]:
    """Another server at the issuer's address. Yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = documents.get(self.path)
            self.send_response_only(200 if content is not None else 404)
            if date:
                self.send_header("Date", date)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def asked(issuer: str, kids: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    return [(row.check, row.level, row.finding) for row in issuer_check.check(issuer, kids, system.now)]


def test_nothing_that_answers_is_an_error() -> None:
    [(check, level, finding)] = asked(f"http://127.0.0.1:{free_port()}")
    assert (check, level) == ("issuer", "error")
    assert "no response" in finding


@pytest.mark.parametrize(
    ("answer", "text"),
    [(b"<html>", "is not JSON"), (b"[]", "is not a JSON object"), (b"{}", "names another issuer")],
)
def test_something_else_at_the_address_is_an_error(answer: bytes, text: str) -> None:
    with answering({METADATA: answer}) as url:
        found = asked(url)
    assert found[0][:2] == ("issuer", "error")
    assert text in found[0][2]


def test_rfc8414_3_1_the_path_of_the_issuer_comes_after_the_well_known_one() -> None:
    with answering({}) as url:
        [(_, _, finding)] = asked(f"{url}/auth")
    assert finding == f"{url}{METADATA}/auth: the response has status 404."


def test_rfc8414_3_3_metadata_of_another_issuer_is_an_error() -> None:
    with answering({METADATA: b'{"issuer": "https://evil.example"}'}) as url:
        found = asked(url)
    assert found[0][:2] == ("issuer", "error")
    assert "'https://evil.example'" in found[0][2]


def test_a_key_set_that_lacks_a_published_key_is_an_error() -> None:
    documents: dict[str, bytes] = {"/keys": b'{"keys": [{"kid": "one"}]}'}
    with answering(documents) as url:
        documents[METADATA] = json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}).encode()
        assert [row[1] for row in asked(url, ("one",))] == ["ok", "ok"]
        found = asked(url, ("one", "two"))
    assert found[1][:2] == ("issuer", "error")
    assert "lacks the key two" in found[1][2]


def test_a_date_far_from_this_machines_time_is_an_error() -> None:
    with answering({METADATA: b"{}"}, date="Thu, 01 Jan 2026 00:00:00 GMT") as url:
        assert asked(url)[-1][:2] == ("clock", "error")


@pytest.mark.parametrize(("days", "level"), [("10", "warning"), ("90", "ok")])
def test_a_certificate_that_ends_soon_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: str, level: str
) -> None:
    with answering({METADATA: b"{}"}, certified(tmp_path, days)) as url:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        found = [row for row in asked(url) if row[0] == "tls"]
    assert [row[1] for row in found] == [level]


def test_a_certificate_that_nobody_trusts_is_an_error(tmp_path: Path) -> None:
    with answering({METADATA: b"{}"}, certified(tmp_path, "90")) as url:
        [(check, level, finding)] = asked(url)
    assert (check, level) == ("issuer", "error")
    assert "CERTIFICATE_VERIFY_FAILED" in finding


def certified(folder: Path, days: str) -> SSLContext:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", days]
    subprocess.run(["openssl", "req", *kind, *names, *files], check=True, capture_output=True)
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context

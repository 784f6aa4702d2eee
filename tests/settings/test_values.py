"""Settings through `load()`: which values are refused, in which words, and the line that mends each."""

import tomllib
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.errors import Misconfigured
from authserver.settings import Settings, load
from authserver.settings import values as settings_values
from tests.settings.refusals import CANARY, refusal

# Values

DAY = 86400
RANGES = {
    "database_connections": (2, 100),
    "password_queue": (1, 65536),
    "account_attempts": (0, 1_000_000),
    "network_attempts": (0, 1_000_000),
    "client_secret_attempts": (0, 1_000_000),
    "interaction_limit": (0, 1_000_000),
    "password_min_length": (8, 64),
    "access_token_ttl": (1, DAY),
    "refresh_retry_window": (0, 300),
    "refresh_idle_ttl": (1, 3650 * DAY),
    "refresh_absolute_ttl": (1, 3650 * DAY),
    "session_idle_ttl": (60, 3650 * DAY),
    "session_ttl": (60, 3650 * DAY),
    "max_sessions": (1, 10_000),
    "deletion_grace": (0, 365 * DAY),
    "code_ttl": (1, 600),
    "code_retry_window": (0, 60),
    "device_code_ttl": (60, 1800),
    "jwks_max_age": (0, DAY),
    "key_lead_time": (0, 365 * DAY),
    "key_rotation_period": (1, 3650 * DAY),
    "max_authorizations": (1, 10_000),
    "audit_retention": (0, 36500 * DAY),
    "keep_alive": (1, 3600),
    "max_connections": (10, 65_536),
    "claims_hook_timeout": (1, 30),
}
UNLESS_TOO_LONG = {"key_lead_time": {"key_rotation_period": 3650 * DAY}, "key_rotation_period": {"key_lead_time": 0}}


def test_the_range_of_every_number_is_known_here() -> None:
    assert list(RANGES) == [name for name, field in Settings.model_fields.items() if field.annotation is int]


@pytest.mark.parametrize("name", RANGES)
def test_numbers_keep_to_their_range(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = RANGES[name]
    for good in (low, high):
        assert getattr(load(**{name: good}, **UNLESS_TOO_LONG.get(name, {})), name) == good
    for bad in (str(low - 1), str(high + 1), "", " ", "many", "1.5", "1e3", "0x10", "9" * 5000):
        monkeypatch.setenv(f"AUTHSERVER_{name.upper()}", bad)
        message = refusal()
        assert f"from {low} to {high}. Write:\nAUTHSERVER_{name.upper()}=" in message
        assert len(message) < 500
        name_, _, value = message.splitlines()[-1].partition("=")
        monkeypatch.setenv(name_, value)
        load()


def test_the_message_says_what_where_why_and_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_REFRESH_RETRY_WINDOW", "900")
    assert refusal() == (
        "AUTHSERVER_REFRESH_RETRY_WINDOW (environment): the value '900' is not allowed; "
        "allowed: a whole number of seconds from 0 to 300. Write:\nAUTHSERVER_REFRESH_RETRY_WINDOW=30"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("true", "'True'"),
        ("1.0", "'1.0'"),
        ("[1]", "(list)"),
        ("{a = 1}", "(dict)"),
        ("1979-05-27", "(date)"),
        ('"x"', "'x'"),
    ],
)
def test_toml_values_that_are_no_whole_number_are_refused(value: str, shown: str, folder: Path) -> None:
    (folder / "authserver.toml").write_text(f"jwks_max_age = {value}\n")
    message = refusal()
    assert message.startswith(f"AUTHSERVER_JWKS_MAX_AGE (authserver.toml): the value {shown} is not allowed")
    assert tomllib.loads(message.splitlines()[-1]) == {"jwks_max_age": 300}


def test_several_problems_are_reported_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTHSERVER_LOG_LEVEL", "loud")
    monkeypatch.setenv("AUTHSERVER_ISUER", "x")
    monkeypatch.setenv("AUTHSERVER_DATABASE_URL", f"mysql://app:{CANARY}@db/auth")
    (folder / "authserver.toml").write_text('issuer = "https://as.example"\nkeys_dir = "a\\nb"\nkey_lead_time = 5\n')
    message = refusal(access_token_ttl=0)
    assert [line.split(" ")[0] for line in message.splitlines()[::2]] == [
        "AUTHSERVER_ISUER",
        "AUTHSERVER_DATABASE_URL",
        "AUTHSERVER_KEYS_DIR",
        "AUTHSERVER_LOG_LEVEL",
        "AUTHSERVER_ACCESS_TOKEN_TTL",
        "AUTHSERVER_KEY_LEAD_TIME",
    ]
    assert "--access-token-ttl=900" in message.splitlines()


# Lead time


@pytest.mark.parametrize(("max_age", "least"), [(0, 900), (450, 900), (451, 902), (86400, 172800)])
def test_an_https_issuer_needs_the_whole_lead_time(max_age: int, least: int) -> None:
    flags = {"issuer": "https://as.example", "jwks_max_age": max_age}
    assert load(**flags, key_lead_time=least).warnings() == []
    message = refusal(**flags, key_lead_time=least - 1)
    assert message.startswith(f"AUTHSERVER_KEY_LEAD_TIME (flag): the value '{least - 1}' is shorter than {least},")
    assert load(**flags, key_lead_time=message.rpartition("=")[2]).warnings() == []


def test_a_loopback_issuer_may_have_less_and_is_told() -> None:
    (warning,) = load(key_lead_time=5).warnings()
    assert warning.startswith("AUTHSERVER_KEY_LEAD_TIME=5 is for tests only: below 900 seconds")
    assert refusal(key_lead_time=5, issuer="https://localhost").startswith("AUTHSERVER_KEY_LEAD_TIME")


def test_a_default_that_no_longer_fits_is_named_with_the_line_that_fixes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(issuer="https://as.example", jwks_max_age=86400)
    assert message.startswith("AUTHSERVER_KEY_LEAD_TIME (default): the value '86400' is shorter than 172800")
    assert message.endswith("\nAUTHSERVER_KEY_LEAD_TIME=172800")


def test_a_key_signs_for_longer_than_the_next_one_waits() -> None:
    message = refusal(key_lead_time=100, key_rotation_period=100)
    assert "'100' is not longer than AUTHSERVER_KEY_LEAD_TIME (100)" in message
    assert load(key_lead_time=100, key_rotation_period=101).key_rotation_period == 101


@given(
    max_age=st.integers(0, 86400),
    lead=st.integers(0, 365 * 86400),
    period=st.integers(1, 3650 * 86400),
    issuer=st.sampled_from(["https://as.example", "http://127.0.0.1:8000"]),
)
def test_what_a_refusal_says_to_write_is_then_accepted(max_age: int, lead: int, period: int, issuer: str) -> None:
    values: dict[str, object] = dict(
        jwks_max_age=max_age, key_lead_time=lead, key_rotation_period=period, issuer=issuer
    )
    try:
        settings = load(**values)
    except Misconfigured as error:
        for line in str(error).splitlines()[1::2]:
            name, _, value = line.removeprefix("--").replace("-", "_").partition("=")
            values[name] = value
        settings = load(**values)
    assert settings.key_rotation_period > settings.key_lead_time
    assert settings.warnings() == [] or issuer.startswith("http:")


# Issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "https://as.example",
        "https://as.example:8443/tenant-1/v2",
        "https://xn--bcher-kva.example",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443",
        "http://localhost",
        "http://localhost:8000/as",
        "http://127.255.255.254:1",
        "http://[::1]:65535",
    ],
)
def test_issuers_that_are_accepted(issuer: str) -> None:
    assert load(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    ("issuer", "suggestion"),
    [
        ("http://as.example", "https://as.example"),
        ("http://as.example:80/x", "https://as.example/x"),
        ("http://as.example:8000", "https://as.example:8000"),
        ("http://foo.localhost", "https://foo.localhost"),
        ("http://128.0.0.1", "https://128.0.0.1"),
        ("http://[::2]", "https://[::2]"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("https://[::]", "https://127.0.0.1"),
        ("as.example", "https://as.example"),
        ("localhost:9000", "http://localhost:9000"),
        ("HTTPS://as.example", "https://as.example"),
        ("https://AS.Example", "https://as.example"),
        ("https://as.example/", "https://as.example"),
        ("https://as.example/a/", "https://as.example/a"),
        ("https://as.example//a", "https://as.example/a"),
        ("https://as.example:443", "https://as.example"),
        ("http://localhost:80", "http://localhost"),
        ("https://as.example:", "https://as.example"),
        ("https://as.example:0", "https://as.example"),
        ("https://as.example:08443", "https://as.example:8443"),
        ("https://as.example.", "https://as.example"),
        ("https://as.example?a=b", "https://as.example"),
        ("https://as.example/#a", "https://as.example"),
        (f"https://user:{CANARY}@as.example", "https://as.example"),
        ("https://as.example\n", "https://as.example"),
        ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
        ("ftp://as.example", "https://as.example"),
        ("https://as.example/a/../b", None),
        ("https://as.example/%61", None),
        ("https://as.example\\a", None),
        ("https://bücher.example", None),
        ("https://as .example", None),
        ("https://as_1.example", None),
        ("https://-as.example", None),
        ("https://as..example", None),
        ("https://127.1", None),
        ("http://0x7f.1", None),
        ("http://2130706433", None),
        ("https://1.2.3.256", None),
        ("https://[::1", None),
        ("https://[fe80::1%25eth0]", None),
        ("https://as.example:65536", None),
        ("https://", None),
        ("", None),
        ("https://" + "a" * 64, None),
        ("https://" + "a." * 130 + "a", None),
    ],
)
def test_a_bad_issuer_is_refused_with_the_line_that_fixes_it(
    issuer: str, suggestion: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHSERVER_ISSUER", issuer)
    message = refusal()
    assert message.startswith("AUTHSERVER_ISSUER (environment): the value '")
    assert message.splitlines()[-1] == f"AUTHSERVER_ISSUER={suggestion or 'http://127.0.0.1:8000'}"
    if suggestion:
        assert load(issuer=suggestion).issuer == suggestion


@given(st.text(max_size=40) | st.from_regex(r"https?://[\[\]a-zA-Z0-9.:@/?#%_-]{0,30}"))
def test_any_text_is_an_issuer_or_leads_to_a_suggestion_that_is(text: str) -> None:
    suggestion = settings_values.suggested_issuer(text)
    assert settings_values.issuer_fault(suggestion) is None
    if settings_values.issuer_fault(text) is None:
        assert suggestion == text


@given(st.ip_addresses())
def test_http_is_for_loopback_addresses_only(address: IPv4Address | IPv6Address) -> None:
    host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    loopback = host == "[::1]" or host.startswith("127.")
    assert (settings_values.issuer_fault(f"http://{host}") is None) == loopback


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"audit_webhook": "https://hooks.example/"},
            "AUTHSERVER_AUDIT_WEBHOOK_SECRET (default): the value is missing",
        ),
        ({"audit_webhook": "http://hooks.example/"}, "is http, and AUTHSERVER_FETCH_ALLOW does not name its host"),
        ({"audit_webhook": "hooks.example"}, "is not a URL that begins with https://"),
        (
            {"audit_webhook_secret": CANARY},
            "is not a secret of this form; allowed: whsec_ and 24 to 64 bytes in base64",
        ),
        ({"fetch_allow": "10.0.0.1/8"}, "names '10.0.0.1/8', which is not a host in lower case"),
        ({"audit_hook": "no colon"}, "does not name a function in a module"),
    ],
)
def test_receivers_of_events_that_are_refused(flags: dict[str, str], message: str) -> None:
    secret = {"audit_webhook_secret": f"whsec_{'A' * 32}"} if message.startswith("is ") else {}
    assert message in refusal(**(secret | flags))


def test_a_receiver_in_the_own_network_is_named_in_the_allow_list() -> None:
    secret = f"whsec_{'A' * 32}"
    load(audit_webhook="http://hooks.internal/", audit_webhook_secret=secret, fetch_allow="hooks.internal")

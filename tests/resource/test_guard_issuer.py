"""The default transport and discovery, against a real server on loopback."""

import gzip
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from authserver.resource import Fetched, Guard, KeysUnavailable
from authserver.resource import fetch as transport
from authserver.resource.source import Source, SourceError, metadata_urls
from tests.harness.certificate import make_certificate
from tests.harness.constants import LONG
from tests.resource.tools import AUDIENCE, ISSUER, Clock, LocalIssuer, public, reply, serve, settle, token_of

METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"


@pytest.fixture
def at(issuer: LocalIssuer, clock: Clock) -> Guard:
    return Guard(issuer.url, AUDIENCE, now=clock)


@pytest.fixture
def token(issuer: LocalIssuer, key: RSAKey) -> str:
    return token_of(key, iss=issuer.url)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", 0.2)  # seconds instead of 3


def test_rfc8414_s3_the_metadata_lead_to_the_jwks(issuer: LocalIssuer, at: Guard, token: str, key: RSAKey) -> None:
    issuer.publish(public(key))
    assert at.verify(token).subject == "user-1"
    assert issuer.paths() == [METADATA, "/jwks"]
    assert all(fields["accept-encoding"] == "identity" for _, fields in issuer.requests)


def test_rfc8414_s3_1_the_metadata_of_an_issuer_with_a_path_are_found(
    issuer: LocalIssuer, clock: Clock, key: RSAKey
) -> None:
    name = f"{issuer.url}/tenant/1"
    issuer.answers[f"{METADATA}/tenant/1"] = reply({"issuer": name, "jwks_uri": f"{issuer.url}/keys?v=1"})
    issuer.answers["/keys?v=1"] = reply(public(key))
    assert Guard(name, AUDIENCE, now=clock).verify(token_of(key, iss=name)).subject == "user-1"


def test_metadata_urls_are_those_of_rfc8414_and_openid_discovery() -> None:
    assert metadata_urls("https://as.example/") == (f"https://as.example{METADATA}", f"https://as.example{OPENID}")
    assert metadata_urls("https://as.example:8443/a/b/") == (
        f"https://as.example:8443{METADATA}/a/b",
        f"https://as.example:8443/a/b{OPENID}",
    )


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_openid_discovery_when_there_is_no_rfc8414(issuer: LocalIssuer, clock: Clock, key: RSAKey, status: int) -> None:
    issuer.answers[f"{METADATA}/realm"] = reply({}, status)
    name = f"{issuer.url}/realm"
    issuer.answers[f"/realm{OPENID}"] = reply({"issuer": name, "jwks_uri": f"{issuer.url}/jwks"})
    issuer.answers["/jwks"] = reply(public(key))
    assert Guard(name, AUDIENCE, now=clock).verify(token_of(key, iss=name)).subject == "user-1"
    assert issuer.paths() == [f"{METADATA}/realm", f"/realm{OPENID}", "/jwks"]


@pytest.mark.parametrize("status", [201, 301, 500, 503])
def test_openid_discovery_is_not_asked_otherwise(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, status: int
) -> None:
    issuer.publish(public(key))
    issuer.answers[OPENID] = issuer.answers[METADATA]
    issuer.answers[METADATA] = (status, {"Location": OPENID}, issuer.answers[METADATA][2])
    with pytest.raises(KeysUnavailable):
        at.verify(token)
    assert issuer.paths() == [METADATA]


@pytest.mark.parametrize("status", [201, 206, 301, 404, 500])
def test_a_jwks_counts_only_with_200(issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, status: int) -> None:
    issuer.publish(public(key))
    issuer.answers["/jwks"] = reply(public(key), status)
    with pytest.raises(KeysUnavailable):
        at.verify(token)


def test_a_jwks_of_64_kib_is_read_and_one_byte_more_is_refused(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, clock: Clock
) -> None:
    issuer.publish(public(key))
    body = reply(public(key))[2]
    issuer.answers["/jwks"] = reply(body + b" " * (65_537 - len(body)))
    with pytest.raises(KeysUnavailable):
        at.verify(token)
    issuer.answers["/jwks"] = reply(body + b" " * (65_536 - len(body)))
    clock.forward(6)
    assert at.verify(token).subject == "user-1"


@pytest.mark.parametrize("name", ["https://evil.example", "", None, 1])
def test_rfc8414_s3_3_metadata_that_name_another_issuer_are_refused(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, name: object
) -> None:
    issuer.publish(public(key))
    issuer.answers[METADATA] = reply({"issuer": name, "jwks_uri": f"{issuer.url}/jwks"})
    with pytest.raises(KeysUnavailable):
        at.verify(token)
    issuer.answers[METADATA] = reply({"issuer": f"{issuer.url}/", "jwks_uri": f"{issuer.url}/jwks"})
    assert issuer.paths() == [METADATA]


URIS = [
    None,
    1,
    "",
    "/jwks",
    "http://192.0.2.1/jwks",
    "http://localhost.evil.example/",
    "file:///etc/passwd",
    "https://u@x/",
    "ftp://127.0.0.1/",
]


@pytest.mark.parametrize("uri", URIS)
def test_jwks_uri_that_is_not_https(key: RSAKey, clock: Clock, uri: object) -> None:
    asked: list[str] = []

    def fetch(url: str, headers: object) -> Fetched:
        asked.append(url)
        at_metadata = {"issuer": "http://127.0.0.1", "jwks_uri": uri}
        return Fetched(*reply(at_metadata if url.endswith(METADATA) else public(key)))

    with pytest.raises(KeysUnavailable):
        Guard("http://127.0.0.1", AUDIENCE, now=clock, fetch=fetch).verify(token_of(key, iss="http://127.0.0.1"))
    assert asked == [f"http://127.0.0.1{METADATA}"]


def big(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b'{"keys":[' + b" " * 10_000_000)


FAULTS: dict[str, Any] = {
    "500": reply({}, 500),
    "html": reply(b"<!doctype html><title>Welcome to the hotel</title>", Content_Type="text/html"),
    "empty": reply(b""),
    "10 MB": big,
    "gzip bomb": reply(gzip.compress(b" " * 9_000_000), Content_Encoding="gzip"),
    "304 unasked": reply(b"", 304),
    "not HTTP": lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n"),
    "hangs up": lambda handler: None,
    "truncated": lambda handler: handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"keys":['),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_jwks_leaves_the_last_good_keys(
    issuer: LocalIssuer, at: Guard, key: RSAKey, token: str, clock: Clock, fault: str
) -> None:
    issuer.publish(public(key))
    at.verify(token)
    issuer.answers["/jwks"] = FAULTS[fault]
    clock.forward(55)
    at.verify(token)
    settle()
    assert issuer.paths().count("/jwks") == 2
    clock.forward(100)
    assert at.verify(token).subject == "user-1"


def test_a_gzipped_answer_is_refused_even_if_it_is_small(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey
) -> None:
    issuer.publish(public(key))
    issuer.answers["/jwks"] = reply(gzip.compress(reply(public(key))[2]), Content_Encoding="gzip")
    with pytest.raises(KeysUnavailable):
        at.verify(token)


def test_no_redirect_is_followed(issuer: LocalIssuer, at: Guard, token: str, key: RSAKey) -> None:
    issuer.publish(public(key))
    issuer.answers["/elsewhere"] = issuer.answers["/jwks"]
    issuer.answers["/jwks"] = reply(b"", 302, Location=f"{issuer.url}/elsewhere")
    with pytest.raises(KeysUnavailable):
        at.verify(token)
    assert "/elsewhere" not in issuer.paths()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["at once", "in headers", "in the body"]
)
def test_a_server_that_drips_is_cut_off(issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, start: bytes) -> None:
    issuer.publish(public(key))

    def drip(handler: Any) -> None:
        handler.wfile.write(start)
        while not issuer.hold.wait(0.01):
            handler.wfile.write(b"x")

    issuer.answers["/jwks"] = drip
    with pytest.raises(KeysUnavailable):
        at.verify(token)
    settle()
    assert "authserver-jwks" not in [thread.name for thread in enumerate_threads()]


@pytest.mark.usefixtures("hurried")
def test_a_server_that_never_answers(issuer: LocalIssuer, at: Guard, token: str) -> None:
    issuer.answers[METADATA] = lambda handler: issuer.hold.wait(5) and None
    with pytest.raises(KeysUnavailable):
        at.verify(token)


def test_an_issuer_that_does_not_listen_means_keys_unavailable(token: str, clock: Clock, key: RSAKey) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(KeysUnavailable):
        Guard(url, AUDIENCE, now=clock).verify(token_of(key, iss=url))


def test_proxies_of_the_environment_are_not_used(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    issuer.publish(public(key))
    assert at.verify(token).subject == "user-1"


def test_the_jwks_are_asked_for_again_with_their_etag(
    issuer: LocalIssuer, at: Guard, token: str, key: RSAKey, clock: Clock
) -> None:
    issuer.publish(public(key), ETag='"v1"', Cache_Control="max-age=300")
    for _ in range(3):
        at.verify(token)
        settle()
        clock.forward(51)
    asked = [fields.get("if-none-match") for path, fields in issuer.requests if path == "/jwks"]
    assert asked == [None, '"v1"', '"v1"'] and issuer.paths().count(METADATA) == 1


def test_a_jwks_that_moved_is_found_again(
    issuer: LocalIssuer, at: Guard, key: RSAKey, other_key: RSAKey, clock: Clock
) -> None:
    issuer.publish(public(key), ETag='"same"')
    at.verify(token_of(key, iss=issuer.url))
    del issuer.answers["/jwks"]
    issuer.answers["/new"] = reply(public(key, other_key), ETag='"same"')
    issuer.answers[METADATA] = reply({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/new"})
    for _ in range(2):  # the old place fails, then the metadata are asked again
        clock.forward(51)
        at.verify(token_of(key, iss=issuer.url, jti=str(clock())))
        settle()
    assert at.verify(token_of(other_key, iss=issuer.url)).subject == "user-1"


def test_the_metadata_are_asked_again_after_an_hour(
    issuer: LocalIssuer, at: Guard, key: RSAKey, other_key: RSAKey, clock: Clock
) -> None:
    issuer.publish(public(key))
    at.verify(token_of(key, iss=issuer.url, exp=clock() + 9999))
    issuer.answers["/new"] = reply(public(other_key))
    issuer.answers[METADATA] = reply({"issuer": issuer.url, "jwks_uri": f"{issuer.url}/new"})  # the old one stays up
    clock.forward(3601)
    assert at.verify(token_of(other_key, iss=issuer.url, exp=clock() + 9)).subject == "user-1"


def test_rotation_is_never_noticed(
    issuer: LocalIssuer, at: Guard, key: RSAKey, other_key: RSAKey, clock: Clock
) -> None:
    issuer.publish(public(key), Cache_Control="max-age=5")
    at.verify(token_of(key, iss=issuer.url))
    issuer.publish(public(key, other_key), Cache_Control="max-age=5")  # published
    clock.forward(6)
    at.verify(token_of(key, iss=issuer.url))
    settle()
    asked = len(issuer.requests)
    assert at.verify(token_of(other_key, iss=issuer.url)).subject == "user-1"  # signs
    assert len(issuer.requests) == asked


def test_an_explicit_jwks_uri_asks_no_metadata(issuer: LocalIssuer, clock: Clock, key: RSAKey) -> None:
    issuer.answers["/k"] = reply(public(key))
    guard = Guard("https://as.example", AUDIENCE, jwks_uri=f"{issuer.url}/k", now=clock)
    assert guard.verify(token_of(key)).subject == "user-1"
    assert issuer.paths() == ["/k"]


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize(
    ("field", "max_age"),
    [("public, max-age=7", 7), ("No-Cache, max-age=7", 0), ("max-age=7, No-Store", 0), ("private", None)],
)
def test_rfc9111_s5_2_2_how_long_the_jwks_may_be_kept(
    clock: Clock, key: RSAKey, status: int, field: str, max_age: int | None
) -> None:
    uri = f"{ISSUER}/jwks"

    def fetch(url: str, headers: object) -> Fetched:
        return Fetched(status, {"cache-control": field, "etag": '"1"'}, reply(public(key))[2])

    assert Source(ISSUER, uri, fetch, clock).load((uri, '"1"')).max_age == max_age


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply({"issuer": "https://evil.example"}), "the metadata belongs to another issuer"),
        (reply({"issuer": ISSUER}), "the metadata has no jwks_uri"),
        (reply({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/"}), "the metadata leads from https to http"),
        (reply({}, 500), "the response for the metadata has status 500"),
        (reply(b" " * 65_537), "the metadata is larger than 64 KiB"),
        (reply(b"{"), "the metadata is not strict JSON"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_said_for_the_log(clock: Clock, answer: Any, reason: str) -> None:
    with pytest.raises(SourceError, match=f"^{reason}$"):
        Source(ISSUER, None, lambda url, headers: Fetched(*answer), clock).load(None)


def test_an_https_issuer_never_leads_to_http(clock: Clock, key: RSAKey) -> None:
    def fetch(url: str, headers: object) -> Fetched:
        metadata = {"issuer": "https://as.example", "jwks_uri": "http://127.0.0.1/jwks"}
        return Fetched(*reply(metadata if url.endswith(METADATA) else public(key)))

    with pytest.raises(KeysUnavailable):
        Guard("https://as.example", AUDIENCE, now=clock, fetch=fetch).verify(token_of(key))


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIssuer]:
    """An issuer with a certificate that nobody knows, in a program that has turned verification off for all others."""
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    make_certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with serve(LocalIssuer(), context) as issuer:
        yield issuer


def test_tls_is_verified(tls: LocalIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        transport.fetch(tls.url, {})
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
    assert transport.fetch(tls.url, {}).status == 404
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        transport.fetch(tls.url.replace("localhost", "127.0.0.1"), {})


@pytest.mark.usefixtures("hurried")
def test_a_server_that_never_begins_tls(issuer: LocalIssuer) -> None:
    def silent() -> None:
        with listener.accept()[0]:
            issuer.hold.wait(LONG)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=silent)
        thread.start()
        with pytest.raises(TimeoutError):
            transport.fetch(f"https://127.0.0.1:{listener.getsockname()[1]}", {})
        issuer.hold.set()
        thread.join()


def test_of_a_large_answer_one_byte_more_than_64_kib_is_read(issuer: LocalIssuer) -> None:
    issuer.answers["/jwks"] = reply(b" " * 1_000_000)
    assert len(transport.fetch(f"{issuer.url}/jwks", {}).body) == 65_537

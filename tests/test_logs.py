"""The log: one JSON object a line, in which no token and no password stands, whoever writes it and however."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from authserver import logs

REFRESH = "rt_" + "Ab-_" * 18
ACCESS = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl-_"
HIDDEN = "[redacted]"


class Log:
    """The log of the server at its most talkative. Configured when the test runs, for stderr is another one before."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __getattr__(self, method: str) -> Any:
        logs.configure("debug")
        return getattr(structlog.get_logger("authserver"), method)

    def of(self, name: str) -> Any:
        """A library's own, or ours."""
        logs.configure("debug")
        return structlog.get_logger(name) if name == "authserver" else logging.getLogger(name)

    def text(self) -> str:
        return self.capsys.readouterr().err

    def lines(self) -> list[Any]:
        """What has been written since the last look."""
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    root, names = logging.getLogger(), ("authlib", "alembic")
    before = (root.handlers[:], root.level, [logging.getLogger(name).level for name in names])
    yield Log(capsys)
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in zip(names, before[2], strict=True):
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_level_and_time(log: Log) -> None:
    log.info("login", client_id="app", many=3)
    (line,) = log.lines()
    assert {"event": "login", "client_id": "app", "many": 3, "level": "info"}.items() <= line.items()
    assert line["time"].endswith("Z")


def test_nothing_below_the_level_is_written(log: Log) -> None:
    logs.configure("warning")
    for level in (logging.INFO, logging.WARNING):
        structlog.get_logger("authserver").log(level, str(level))
        logging.getLogger("uvicorn").log(level, str(level))
    assert [line["event"] for line in log.lines()] == ["30", "30"]


@pytest.mark.parametrize("token", [REFRESH, ACCESS, ACCESS.partition(".")[0], ACCESS + "." + "x" * 40])
@pytest.mark.parametrize(
    "around", ["{}", "token={}&scope=read", "Bearer {}", '"{}"', "https://a.example/?t={}#x", "{0} {0}"]
)
def test_tokens_are_hidden_wherever_they_stand(log: Log, token: str, around: str) -> None:
    text = around.format(token)
    log.info(text, anything=text)
    log.of("anybody").warning("%s and %r", text, text)
    log.of("anybody").warning(text)
    lines = log.lines()
    assert len(lines) == 3
    assert token not in str(lines) and str(lines).count(HIDDEN) >= 5
    assert lines[0]["anything"] == around.format(HIDDEN)  # and only the token


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "PASSWORD", "client_secret", "secret", "token", "refresh_token", "access_token"]
    + ["Authorization", "cookie", "Set-Cookie", "token_hint"],
)
@pytest.mark.parametrize("value", ["hunter2", b"hunter2", ["hunter2"], {"is": "hunter2"}, ("a", ["hunter2"])])
def test_what_is_named_like_a_secret_is_hidden(log: Log, name: str, value: Any) -> None:
    log.info("called", **{name: value})
    (line,) = log.lines()
    assert line[name] == HIDDEN and "hunter2" not in str(line)


@pytest.mark.parametrize("name", ["client_id", "reason", "grant_id", "subject", "error"])
def test_what_is_not_stays(log: Log, name: str) -> None:
    log.info("called", **{name: "hunter2"}, many=2, none=None, list=["a", {"b": 1}])
    (line,) = log.lines()
    assert (line[name], line["many"], line["none"], line["list"]) == ("hunter2", 2, None, ["a", {"b": 1}])


INSIDE = {
    "list": lambda text: [text],
    "value": lambda text: {"a": text},
    "name": lambda text: {text: 1},
    "deep": lambda text: ("a", [{"b": {text}}]),
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize("kind", [str, str.encode, ValueError])
def test_tokens_are_hidden_inside_of_what_is_no_text(log: Log, inside: str, kind: Any) -> None:
    log.info("called", given=INSIDE[inside](kind(f"is {REFRESH} and {ACCESS}")))  # type: ignore[no-untyped-call]
    (line,) = log.lines()
    assert REFRESH not in str(line) and ACCESS not in str(line) and HIDDEN in str(line)


def test_secrets_in_a_dictionary_are_hidden_by_their_name(log: Log) -> None:
    log.info("called", form={"username": "ada", "password": "hunter2", "more": [{"client_secret": "hunter2"}]})
    (line,) = log.lines()
    assert line["form"] == {"username": "ada", "password": HIDDEN, "more": [{"client_secret": HIDDEN}]}


@pytest.mark.parametrize("logger", ["authserver", "uvicorn.error"])
def test_tokens_in_exceptions_are_hidden(log: Log, logger: str) -> None:
    write = log.of(logger).exception
    try:
        raise ValueError(f"{REFRESH} and {ACCESS}")
    except ValueError:
        write("failed")
    (line,) = log.lines()
    assert "Traceback" in line["exception"] and "ValueError" in line["exception"]
    assert REFRESH not in str(line) and ACCESS not in str(line)


NASTY = "\r\n\x1b[31m\x1b]0;title\x07\x00\x85\u2028\u2029\x9b2J\u202e\ud800"


@pytest.mark.parametrize("logger", ["authserver", "uvicorn.error"])
def test_no_text_can_begin_a_line_or_move_the_cursor(log: Log, logger: str) -> None:
    forged = f'x{NASTY}{{"event": "login"}}'
    if logger == "authserver":
        log.info(forged, reason=forged, **{f"name{NASTY}": 1})
    else:
        log.of(logger).info(forged)
    error = log.text()
    assert error.count("\n") == 1 and error.endswith("\n") and error[:-1].isprintable() and error.isascii()
    assert json.loads(error)["event"] == forged


@pytest.mark.thorough
@given(
    st.dictionaries(st.text(max_size=5), st.recursive(st.text() | st.integers() | st.binary(), st.lists, max_leaves=5))
)
def test_any_event_is_redacted_without_failing(event: dict[str, Any]) -> None:
    assert logs.redact(None, "info", event).keys() == event.keys()


@pytest.mark.parametrize("failure", ["closed", "no reader"])
def test_a_log_that_cannot_be_written_fails_nothing(log: Log, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with suppress(OSError), open(writing, "w", encoding="ascii") as broken:
        if failure == "closed":
            broken.close()
        monkeypatch.setattr(sys, "stderr", broken)
        log.info("lost")


def test_authlib_is_silent_at_debug(log: Log) -> None:
    for name in ("authlib", "authlib.oauth2", "authlib.oauth2.rfc6749.grants.refresh_token", "authlib.anything"):
        for level in (logging.DEBUG, logging.INFO, logging.ERROR, logging.CRITICAL):
            log.of(name).log(level, "Issue token %r to %r", {"access_token": "canary"}, "app")
    log.debug("heard")
    error = log.text()
    assert "canary" not in error and "heard" in error


def test_every_logger_of_authlib_is_below_the_one_that_is_silenced(log: Log) -> None:
    import authlib.oauth2.rfc6749.grants  # noqa: F401  # makes the loggers

    log.debug("heard")
    names = [name for name in logging.root.manager.loggerDict if name.startswith("authlib")]
    assert names and not any(logging.getLogger(name).isEnabledFor(logging.CRITICAL) for name in names)


def test_it_is_written_to_stderr_and_nowhere_else(log: Log) -> None:
    log.info("heard")
    assert log.capsys.readouterr().out == ""
    assert [handler.stream for handler in logging.getLogger().handlers] == [sys.stderr]  # type: ignore[attr-defined]

"""What a browser says of itself becomes one of a few texts, whatever it sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain import device

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"{WINDOWS} Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18.0 Safari/605", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537 Chrome/140.0 Mobile Safari/537", "Chrome on Android"),
        ("curl/8.5.0", ""),
        ("", ""),
        ("Linux", "Linux"),
    ],
)
def test_rfc9110_10_1_5_a_user_agent_is_told_in_words(user_agent: str, words: str) -> None:
    assert device.described(user_agent) == words


@given(st.text(max_size=200))
def test_nothing_of_what_was_sent_is_in_the_words(text: str) -> None:
    parts = [name for words in (device._BROWSERS, device._SYSTEMS) for _, name in words]
    assert set(device.described(text).split(device.ON)) <= {*parts, ""}

"""Which language a page has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.languages import choose

AVAILABLE = ("en", "de", "pt-br")


@pytest.mark.parametrize(
    ("ui_locales", "accept_language", "chosen"),
    [
        ("", "", "en"),
        ("", "*", "en"),
        ("", "fr", "en"),
        ("de", "", "de"),
        ("DE", "", "de"),
        ("fr-CA fr de", "en", "de"),
        ("de-CH-1996", "", "de"),  # RFC 4647 s3.4
        ("pt", "", "en"),  # a shorter range matches no longer tag
        ("pt-BR-x", "", "pt-br"),
        ("", "de;q=0.3,en;q=0.2", "de"),
        ("", "en;q=0.2, de;Q=0.3", "de"),
        ("", "de, en", "de"),  # the first of two with the same weight
        ("", "de;q=0", "en"),  # RFC 9110 s12.4.2
        ("", "de;q=0,en;q=0", "en"),
        ("", "de;q=2, pt-BR;q=0.1", "pt-br"),
        ("", "de_DE", "en"),
        ("", ",," + "fr," * 17 + "de", "de"),
        ("", "fr," * 20 + "de", "en"),
        ("", "de-" + "x-" * 48 + "x", "de"),
        ("", "de-" + "x-" * 49 + "x, pt-BR", "pt-br"),  # one character too long
        ("de-" + "x-" * 49 + "x", "", "en"),
    ],
)
def test_the_first_that_is_available(ui_locales: str, accept_language: str, chosen: str) -> None:
    assert choose(AVAILABLE, ui_locales, accept_language) == chosen


@given(st.text(), st.text())
def test_anything_at_all_yields_an_available_language(ui_locales: str, accept_language: str) -> None:
    assert choose(AVAILABLE, ui_locales, accept_language) in AVAILABLE


@given(st.lists(st.sampled_from(["en", "de", "fr", "pt-BR", "de-AT"])), st.text())
def test_rfc9110_12_5_4_weights_order_the_languages(tags: list[str], junk: str) -> None:
    """What the client asks for wins over whatever the browser says."""
    listed = ", ".join(f"{tag};q={1 - place / 1000:.3f}" for place, tag in reversed(list(enumerate(tags[:15]))))
    assert choose(AVAILABLE, "", listed) == choose(AVAILABLE, " ".join(tags[:15]), "")
    if any(choose(AVAILABLE, tag, "") != "en" for tag in tags[:1]):
        assert choose(AVAILABLE, " ".join(tags), junk) == choose(AVAILABLE, tags[0], "")

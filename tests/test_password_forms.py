"""Usernames and passwords in their PRECIS forms."""

import re
import sys
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from authserver.passwords import password_form, username_form

odd = st.sampled_from(["\ud800", "\udfff", "\u0130", "\u1e9e", "\ufb03", "\u05d0", "\u0301", "\uff21", " ", "\0"])
anything = st.lists(st.one_of(st.characters(), odd), max_size=30).map("".join)


ASKING = "\u30fb\u0660\u0661\u06f0\u06f1l\u00b7\u200c\u200d\u0628\u064b\u30a2\u0915\u094d\u05d0\u05f3\u0375\u03b1aA "
asking = st.text(ASKING, max_size=9)


@given(asking | anything)
def test_the_form_of_a_username_is_that_of_rfc_8265(text: str) -> None:
    try:
        expected = get_profile("UsernameCaseMapped").enforce(text)
    except UnicodeError:
        expected = None
    assert username_form(text) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "\u30fb",
        "\u0661",
        "\u06f1",
        "\u0628\u200c",
        "\u0628\u064b\u200c\u064b",
        "\u0915\u094d\u200d",
        "\u05d0\u05f3",
        "a",
        "e\u0301",
    ]
    + ["\uff21", "\u0390", "\uac00", "\u0628\u0661", "l\u00b7"],
)
def test_the_work_on_a_username_grows_with_its_length_and_not_faster(pattern: str) -> None:
    """256 middle dots before a letter of katakana took 44 ms of the event loop."""

    def calls(length: int) -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        text = ("\u0628" if pattern in "\u0661\u06f1" else "") + (pattern * length)[: length - 2] + "\u30a2"
        sys.setprofile(counted)
        try:
            username_form(text)
        finally:
            sys.setprofile(None)
        return count

    assert calls(256) < 2.5 * calls(128) + 100


@pytest.mark.parametrize(
    ("text", "form"),
    [
        # RFC 8265 s3.5, tables 1 and 2.
        ("juliet@example.com", "juliet@example.com"),
        ("fussball", "fussball"),
        ("fu\u00dfball", "fu\u00dfball"),
        ("\u03c0", "\u03c0"),
        ("\u03a3", "\u03c3"),
        ("\u03c3", "\u03c3"),
        ("\u03c2", "\u03c2"),
        ("foo bar", None),
        ("", None),
        ("henry\u2163", None),
        ("\u265a", None),
        # s3.3.2: width, case, NFC, the Bidi Rule.
        ("\uff2a\uff35\uff2c\uff29\uff25\uff34", "juliet"),
        ("ADA", "ada"),
        ("A\u030angstro\u0308m", "\u00e5ngstr\u00f6m"),
        ("\u05d0\u05d1", "\u05d0\u05d1"),
        ("\u05d0a", None),
        ("a\u200bb", None),
        ("ada\n", None),
        ("ada\0", None),
        (" ada", None),
        ("\ud800", None),
        ("a" * 256, "a" * 256),
        ("a" * 257, None),
    ],
)
def test_a_username_has_the_form_of_rfc8265_3_3(text: str, form: str | None) -> None:
    assert username_form(text) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        # RFC 8265 s4.3, tables 3 and 4.
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
        ("", None),
        ("my cat is a \tby", None),
        # s4.2.2: no width, no case, no trimming; spaces are one kind of space; NFC.
        (" leading and trailing ", " leading and trailing "),
        ("\u00a0\u2003", "  "),
        ("\uff21", "\uff21"),
        ("e\u0301", "\u00e9"),
        ("a\0b", None),
        ("line\n", None),
        ("\ud800", None),
        ("p" * 1024, "p" * 1024),
        ("p" * 1025, None),
        ("\u00e9" * 512, "\u00e9" * 512),
        ("\u00e9" * 513, None),
        # Characters that the profile refuses, and people type: a heart with its variation selector, a joined family,
        # a keycap, a joiner as Persian needs it, a character that no version of Unicode that we know has assigned.
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("1\ufe0f\u20e3", "1\ufe0f\u20e3"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("\U000e01ef\u0378", "\U000e01ef\u0378"),
        # Controls, of either set.
        ("\u2764\x7f", None),
        ("\u2764\x85", None),
    ],
)
def test_a_password_has_the_form_of_rfc8265_4_2(text: str, form: str | None) -> None:
    assert password_form(text) == form


@given(st.one_of(anything, st.text(st.characters(max_codepoint=0x3000), max_size=30)))
def test_a_password_that_the_profile_has_a_form_of_has_the_same_form_here_rfc8265_4_2(text: str) -> None:
    try:
        form = get_profile("OpaqueString").enforce(text)
    except UnicodeError:
        return
    assert password_form(text) == form


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
def test_every_text_without_controls_can_be_a_password_sp800_63b_3_1_1_2(text: str) -> None:
    assert password_form(text) == normalize("NFC", re.sub(r"[^\S\u2028\u2029]", " ", text))


@given(anything)
def test_any_text_has_one_form_or_none_and_a_form_is_its_own_rfc8264_7(text: str) -> None:
    for form_of in (username_form, password_form):
        form = form_of(text)
        assert form is None or form_of(form) == form

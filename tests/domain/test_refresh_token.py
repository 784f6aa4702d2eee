"""The form of refresh tokens: one string is genuine, and nothing that differs from it in anything."""

import hmac as python_hmac
import string
import struct
from base64 import b32encode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from authserver.domain.refresh_token import MAX_GENERATION, is_genuine, parse, render

BASE64URL = string.ascii_letters + string.digits + "-_"
ID, KEY, SALT, GENERATION = bytes(range(16)), b"k" * 32, b"s" * 32, 7
TOKEN = render(ID, GENERATION, key=KEY, salt=SALT)
ids, keys = st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32)
generations = st.integers(0, MAX_GENERATION)


def genuine(text: str, *, key: bytes = KEY, salt: bytes = SALT) -> bool:
    presented = parse(text)
    return presented is not None and is_genuine(presented, key=key, salt=salt)


def by_hand(head: bytes, key: bytes, salt: bytes) -> str:
    """The token of these first 22 bytes, made without the code under test."""
    mac = python_hmac.new(key, b"authserver refresh token v1" + head + salt, sha256).digest()
    return "rt_" + urlsafe_b64encode(head + mac).decode()


@given(ids, generations, keys, keys)
def test_a_token_is_75_characters_that_parse_to_what_it_was_made_of(
    id: bytes, generation: int, key: bytes, salt: bytes
) -> None:
    text = render(id, generation, key=key, salt=salt)
    assert text == by_hand(b"\x01\x00" + id + struct.pack(">I", generation), key, salt)
    assert len(text) == 75 and text.startswith("rt_") and set(text[3:]) <= set(BASE64URL)
    presented = parse(text)
    assert presented and (presented.authorization_id, presented.generation) == (id, generation)
    assert genuine(text, key=key, salt=salt)


@given(st.text(max_size=100) | st.text(BASE64URL, min_size=72, max_size=72).map("rt_".__add__))
def test_no_other_text_is_genuine_nor_breaks_anything(text: str) -> None:
    assume(text != TOKEN)
    assert not genuine(text)


@pytest.mark.parametrize("place", range(75))
def test_no_single_character_can_be_another(place: int) -> None:
    others = set(BASE64URL + string.punctuation + string.whitespace + "\0é\u0391\uff21\U0001d400") - {TOKEN[place]}
    assert [other for other in others if genuine(TOKEN[:place] + other + TOKEN[place + 1 :])] == []


@pytest.mark.parametrize("change", [str.lower, str.upper, str.swapcase, str.title, str.casefold])
def test_case_matters(change: Callable[[str], str]) -> None:
    assert not genuine(change(TOKEN))
    assert not genuine("rt_" + change(TOKEN[3:]))


def test_no_spelling_of_the_same_bytes_is_genuine() -> None:
    raw = urlsafe_b64decode(TOKEN[3:])
    token = by_hand_until_it_has_both_signs()
    standard = b64encode(urlsafe_b64decode(token[3:])).decode()
    respelled = [raw.hex(), b32encode(raw).decode(), quote(TOKEN, safe="").replace("_", "%5F")]
    assert genuine(token) and "+" in standard and "/" in standard
    assert not any(genuine(text) for text in [TOKEN[3:], "RT_" + TOKEN[3:], "rt_" + standard, *respelled])


def by_hand_until_it_has_both_signs() -> str:
    """A token in whose spelling the alphabets of base64 and base64url differ in both characters."""
    tokens = (by_hand(b"\x01\x00" + ID + struct.pack(">I", number), KEY, SALT) for number in range(1000))
    return next(token for token in tokens if "-" in token and "_" in token[3:])


@pytest.mark.parametrize("around", ["=", "==", " ", "\n", "\r\n", "\t", "\0", "A", ".", "%3D", "\u200b", "\ufeff"])
def test_nothing_may_stand_before_or_behind_it(around: str) -> None:
    assert not any(genuine(text) for text in (TOKEN + around, around + TOKEN, TOKEN[:3] + around + TOKEN[3:]))


def test_nothing_shorter_or_longer_is_genuine() -> None:
    cut = [TOKEN[:length] for length in range(75)] + [TOKEN[first:] for first in range(1, 75)]
    longer = [TOKEN + character for character in BASE64URL] + [TOKEN + "AAAA", TOKEN + TOKEN, TOKEN * 1000]
    assert not any(genuine(text) for text in cut + longer)


def test_only_this_version_with_nothing_reserved_is_read() -> None:
    """The MAC of each is right: it is the form that is refused."""
    for version in range(256):
        for reserved in range(256):
            text = by_hand(bytes([version, reserved]) + ID + struct.pack(">I", 7), KEY, SALT)
            assert genuine(text) is (parse(text) is not None) is ((version, reserved) == (1, 0)), (version, reserved)


@given(st.integers(0, 8 * 32 - 1))
def test_every_bit_of_the_key_and_of_the_salt_matters(bit: int) -> None:
    flipped = (1 << bit).to_bytes(32)
    key, salt = (bytes(a ^ b for a, b in zip(known, flipped, strict=True)) for known in (KEY, SALT))
    assert not genuine(TOKEN, key=key) and not genuine(TOKEN, salt=salt)
    assert len({TOKEN, render(ID, 7, key=key, salt=SALT), render(ID, 7, key=KEY, salt=salt)}) == 3


@given(ids, generations)
def test_the_mac_of_one_id_and_generation_is_right_for_no_other(id: bytes, generation: int) -> None:
    assume((id, generation) != (ID, GENERATION))
    other = by_hand(b"\x01\x00" + id + struct.pack(">I", generation), KEY, SALT)
    assert other[-42:] != TOKEN[-42:]  # nothing but MAC
    assert not genuine(
        "rt_" + urlsafe_b64encode(urlsafe_b64decode(other[3:])[:22] + urlsafe_b64decode(TOKEN[3:])[22:]).decode()
    )


def test_the_whole_string_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    assert not genuine(TOKEN)
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


@pytest.mark.parametrize("generation", [-1, MAX_GENERATION + 1])
def test_a_generation_that_does_not_fit_is_never_rendered(generation: int) -> None:
    with pytest.raises(OverflowError):
        render(ID, generation, key=KEY, salt=SALT)

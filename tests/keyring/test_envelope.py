"""Private keys at rest: what is wrapped is unwrapped in its own row, by its own key; errors say what was tried."""

import json
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.errors import Misconfigured
from authserver.keyring import KeyEncryptionKeys

OLD, NEW, STRANGE = b"o" * 32, b"n" * 32, b"s" * 32
SECRET = b"canary: the private key"
KEYS = KeyEncryptionKeys({"keys/old": OLD, "keys/new": NEW})
WRAPPED = KEYS.wrap("row-1", SECRET)


def refused(keys: KeyEncryptionKeys, row: str, wrapped: str) -> str:
    with pytest.raises(Misconfigured) as refusal:
        keys.unwrap(row, wrapped)
    return str(refusal.value)


def segment(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def header_of(wrapped: str) -> dict[str, str]:
    first = wrapped.partition(".")[0]
    found: dict[str, str] = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    return found


@given(st.text(min_size=1), st.binary(min_size=1))
def test_what_is_wrapped_for_a_row_is_unwrapped_in_it(row: str, secret: bytes) -> None:
    assert KEYS.unwrap(row, KEYS.wrap(row, secret)) == secret


def test_it_is_a_compact_jwe_with_the_row_in_its_protected_header_rfc7516_7_1() -> None:
    assert WRAPPED.count(".") == 4
    header = header_of(WRAPPED)
    assert (header["alg"], header["enc"], header["row"]) == ("dir", "A256GCM", "row-1")
    assert segment(SECRET) not in WRAPPED and KEYS.wrap("row-1", SECRET) != WRAPPED


def test_what_is_wrapped_for_one_row_cannot_be_unwrapped_in_another() -> None:
    for row in ("row-2", "", "ROW-1", "row-1 ", "row-10"):
        assert "row-1" not in refused(KEYS, row, WRAPPED).replace(f"unwraps the key {row} in", "")


def test_the_newest_wraps_and_all_of_them_unwrap() -> None:
    assert KeyEncryptionKeys({"new": NEW}).unwrap("row-1", WRAPPED) == SECRET
    old = KeyEncryptionKeys({"old": OLD}).wrap("row-1", SECRET)
    assert KEYS.unwrap("row-1", old) == SECRET
    assert KeyEncryptionKeys({"new": NEW, "old": OLD}).unwrap("row-1", WRAPPED) == SECRET
    refused(KeyEncryptionKeys({"old": OLD}), "row-1", WRAPPED)


def test_another_key_opens_nothing_and_the_message_names_what_was_tried_and_how_to_fix_it() -> None:
    message = refused(KeyEncryptionKeys({"keys/a.key": OLD, "keys/b.key": STRANGE}), "row-1", WRAPPED)
    assert "row-1" in message and "keys/a.key" in message and "keys/b.key" in message
    assert message.splitlines()[-1] == "    AUTHSERVER_KEYS_DIR=/path/to/keys"


def test_without_any_key_the_message_says_so() -> None:
    nothing = KeyEncryptionKeys({})
    assert not nothing and bool(KEYS)
    assert "no key-encryption key" in refused(nothing, "row-1", WRAPPED)


@pytest.mark.parametrize("place", range(0, len(WRAPPED), 3))
def test_no_character_of_it_can_be_another(place: int) -> None:
    for other in set(string.ascii_letters + string.digits + "-_.=+/ \n\0é") - {WRAPPED[place]}:
        refused(KEYS, "row-1", WRAPPED[:place] + other + WRAPPED[place + 1 :])


@given(st.text() | st.lists(st.text(string.ascii_letters, max_size=8), min_size=5, max_size=5).map(".".join))
def test_any_text_is_refused_like_a_wrong_key(text: str) -> None:
    refused(KEYS, "row-1", text)


@pytest.mark.parametrize(
    "wrapped", [WRAPPED[:-1], WRAPPED[1:], WRAPPED + "A", WRAPPED + ".", f" {WRAPPED}", WRAPPED * 2, "", "...."]
)
def test_what_was_cut_or_lengthened_is_refused(wrapped: str) -> None:
    refused(KEYS, "row-1", wrapped)


@pytest.mark.parametrize(
    "changed",
    [
        {"row": "row-2"},
        {"row": None},
        {"row": 1},
        {"row": ["row-2"]},
        {"enc": "A128GCM"},
        {"enc": "none"},
        {"alg": "none"},
        {"alg": "A256KW"},
        {"zip": "DEF"},
        {"crit": ["row"]},
        {"crit": 1},
        {"kid": 1},
    ],
)
def test_a_header_that_was_changed_is_refused(changed: dict[str, object]) -> None:
    _, rest = WRAPPED.split(".", 1)
    header = segment(json.dumps(header_of(WRAPPED) | changed).encode())
    for row in ("row-1", "row-2"):
        refused(KEYS, row, f"{header}.{rest}")


@pytest.mark.parametrize("header", ["[]", "1", "null", '"dir"', "{}", "{", "\udcff", '{"alg":"dir"}', "[" * 100_000])
def test_a_text_that_is_no_header_is_refused(header: str) -> None:
    _, rest = WRAPPED.split(".", 1)
    refused(KEYS, "row-1", f"{segment(header.encode(errors='surrogateescape'))}.{rest}")


@pytest.mark.parametrize("wrapped", [WRAPPED, WRAPPED[:-4] + "AAAA", "canary", "canary.canary.canary.canary.canary"])
def test_no_message_holds_a_secret_or_what_is_wrapped(wrapped: str) -> None:
    keys = KeyEncryptionKeys({"keys/other.key": STRANGE})
    message = refused(keys, "row-1", wrapped)
    assert not any(secret in message for secret in ("canary", WRAPPED[:20], STRANGE.decode(), segment(STRANGE)))
    assert STRANGE.decode() not in repr(keys) and segment(STRANGE) not in repr(keys)

"""Private keys at rest: what is sealed opens in its own row, under its own key, unchanged; or says what was tried."""

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
SEALED = KEYS.wrap("row-1", SECRET)


def refused(keys: KeyEncryptionKeys, row: str, sealed: str) -> str:
    with pytest.raises(Misconfigured) as refusal:
        keys.unwrap(row, sealed)
    return str(refusal.value)


def segment(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def header_of(sealed: str) -> dict[str, str]:
    first = sealed.partition(".")[0]
    found: dict[str, str] = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    return found


@given(st.text(min_size=1), st.binary(min_size=1))
def test_what_is_sealed_for_a_row_opens_in_it(row: str, secret: bytes) -> None:
    assert KEYS.unwrap(row, KEYS.wrap(row, secret)) == secret


def test_it_is_a_compact_jwe_with_the_row_in_its_protected_header_rfc7516_7_1() -> None:
    assert SEALED.count(".") == 4
    header = header_of(SEALED)
    assert (header["alg"], header["enc"], header["row"]) == ("dir", "A256GCM", "row-1")
    assert segment(SECRET) not in SEALED and KEYS.wrap("row-1", SECRET) != SEALED


def test_what_is_sealed_for_one_row_does_not_open_in_another() -> None:
    for row in ("row-2", "", "ROW-1", "row-1 ", "row-10"):
        assert "row-1" not in refused(KEYS, row, SEALED).replace(f"unwraps the key {row} in", "")


def test_the_newest_seals_and_all_of_them_open() -> None:
    assert KeyEncryptionKeys({"new": NEW}).unwrap("row-1", SEALED) == SECRET
    old = KeyEncryptionKeys({"old": OLD}).wrap("row-1", SECRET)
    assert KEYS.unwrap("row-1", old) == SECRET
    assert KeyEncryptionKeys({"new": NEW, "old": OLD}).unwrap("row-1", SEALED) == SECRET
    refused(KeyEncryptionKeys({"old": OLD}), "row-1", SEALED)


def test_another_key_opens_nothing_and_the_message_names_what_was_tried_and_how_to_mend_it() -> None:
    message = refused(KeyEncryptionKeys({"keys/a.key": OLD, "keys/b.key": STRANGE}), "row-1", SEALED)
    assert "row-1" in message and "keys/a.key" in message and "keys/b.key" in message
    assert message.splitlines()[-1] == "    AUTHSERVER_KEYS_DIR=/path/to/keys"


def test_without_any_key_the_message_says_so() -> None:
    nothing = KeyEncryptionKeys({})
    assert not nothing and bool(KEYS)
    assert "no key-encryption key" in refused(nothing, "row-1", SEALED)


@pytest.mark.parametrize("place", range(0, len(SEALED), 3))
def test_no_character_of_it_can_be_another(place: int) -> None:
    for other in set(string.ascii_letters + string.digits + "-_.=+/ \n\0é") - {SEALED[place]}:
        refused(KEYS, "row-1", SEALED[:place] + other + SEALED[place + 1 :])


@given(st.text() | st.lists(st.text(string.ascii_letters, max_size=8), min_size=5, max_size=5).map(".".join))
def test_any_text_is_refused_like_a_wrong_key(text: str) -> None:
    refused(KEYS, "row-1", text)


@pytest.mark.parametrize(
    "sealed", [SEALED[:-1], SEALED[1:], SEALED + "A", SEALED + ".", f" {SEALED}", SEALED * 2, "", "...."]
)
def test_what_was_cut_or_lengthened_is_refused(sealed: str) -> None:
    refused(KEYS, "row-1", sealed)


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
    _, rest = SEALED.split(".", 1)
    header = segment(json.dumps(header_of(SEALED) | changed).encode())
    for row in ("row-1", "row-2"):
        refused(KEYS, row, f"{header}.{rest}")


@pytest.mark.parametrize("header", ["[]", "1", "null", '"dir"', "{}", "{", "\udcff", '{"alg":"dir"}', "[" * 100_000])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    _, rest = SEALED.split(".", 1)
    refused(KEYS, "row-1", f"{segment(header.encode(errors='surrogateescape'))}.{rest}")


@pytest.mark.parametrize("sealed", [SEALED, SEALED[:-4] + "AAAA", "canary", "canary.canary.canary.canary.canary"])
def test_no_message_holds_a_secret_or_what_is_sealed(sealed: str) -> None:
    keys = KeyEncryptionKeys({"keys/other.key": STRANGE})
    message = refused(keys, "row-1", sealed)
    assert not any(secret in message for secret in ("canary", SEALED[:20], STRANGE.decode(), segment(STRANGE)))
    assert STRANGE.decode() not in repr(keys) and segment(STRANGE) not in repr(keys)

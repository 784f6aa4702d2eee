"""Mutated tokens give nothing but TokenRejected: a small version of scripts/bench/fuzz/fuzz_guard.py."""

import json
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.resource import TokenRejected
from authserver.resource.bearer import bearer_token
from authserver.resource.strict_json import strict_json
from scripts.bench.fuzz.fuzz_guard import MUTATIONS, Forge, fuzz, judge
from tests.resource.tools import few

FORGE = Forge()


def test_the_good_tokens_are_good() -> None:
    assert not any(judge(FORGE, token)[0] for token in FORGE.good)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
@few
@given(rng=st.randoms(use_true_random=True))
def test_a_mutated_token_is_rejected(mutation: Any, rng: Random) -> None:
    token = mutation(FORGE, rng)
    if token not in FORGE.good:
        refused, reason = judge(FORGE, token)
        assert refused, reason


def test_4000_mutated_tokens_are_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    seen, failures = fuzz(4_000, 60, 1)
    assert failures == 0, capsys.readouterr().out
    assert len(seen) > 25  # every kind of check was reached


@few
@given(st.text() | st.text("abc.=, B", max_size=20), st.sampled_from(["", "Bearer ", "bearer  ", "Basic "]))
def test_any_header_is_a_token_or_refused(text: str, scheme: str) -> None:
    try:
        token = bearer_token([scheme + text])
    except TokenRejected:
        return
    assert token and not set(token) & set(' ,"')


@few
@given(st.text())
def test_any_text_is_rejected(text: str) -> None:
    assert judge(FORGE, text)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@few
@given(st.dictionaries(st.text(), JSON, max_size=5), st.booleans())
def test_strict_json_reads_what_json_says(value: dict[str, object], escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert json.loads(json.dumps(strict_json(text.encode()))) == value


@few
@given(st.binary(max_size=60) | st.text('[]{}",:0aeE+-.\\u \n', max_size=40).map(str.encode))
def test_strict_json_raises_nothing_but_value_error(data: bytes) -> None:
    with suppress(ValueError):
        strict_json(data)

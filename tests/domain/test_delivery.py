"""When the next attempt to deliver events is due, and how webhooks are signed."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.delivery import LEASE, Progress, wait
from authserver.domain.models import SECOND
from authserver.domain.webhook_signature import headers, key_of


def test_the_wait_after_a_failure_doubles_up_to_an_hour() -> None:
    assert [wait(failures) for failures in range(1, 6)] == [5, 10, 20, 40, 80]


@given(st.integers(1, 10**9))
def test_the_wait_never_falls_and_never_exceeds_an_hour(failures: int) -> None:
    assert 5 <= wait(failures) <= wait(failures + 1) <= 3600


@given(st.integers(0, 2**60), st.integers(1, 100), st.integers(1, 100))
def test_an_attempt_is_due_again_when_its_lease_or_wait_has_ended(now: int, first: int, more: int) -> None:
    begun = Progress().begun(first, first + more, now)
    assert (begun.position, begun.through) == (first - 1, first + more)
    assert not begun.is_due(now + LEASE * SECOND - 1) and begun.is_due(now + LEASE * SECOND)
    failed = begun.failed(first, now)
    assert not failed.is_due(now + 5 * SECOND - 1) and failed.is_due(now + 5 * SECOND)
    assert failed.through == begun.through
    assert begun.delivered() == Progress(first + more) and begun.delivered().is_due(now)


def test_a_clock_that_was_set_back_does_not_stop_deliveries() -> None:
    ahead = Progress().begun(1, 2, 10**6 * SECOND)
    assert ahead.is_due(0)


def test_a_webhook_is_signed_as_in_the_example_of_standard_webhooks() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("length", [24, 32, 64])
def test_a_secret_has_24_to_64_bytes(length: int) -> None:
    assert key_of(f"whsec_{b64encode(bytes(length)).decode()}") == bytes(length)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_AAAA", "A" * 32, "whsec_" + "A" * 100, "whsec_" + "ä" * 32])
def test_other_secrets_are_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        key_of(secret)

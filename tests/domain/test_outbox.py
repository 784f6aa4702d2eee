"""When an attempt to send a message is due, and when it is the last one."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from authserver.domain.delivery import LEASE
from authserver.domain.models import SECOND
from authserver.domain.outbox import GIVE_UP_AFTER, LONGEST_WAIT, Message, NewMessage, kind_of, latest_next_at

CREATED_AT = 1_800_000_000 * SECOND
MESSAGE = Message(1, "mail example.com", {}, None, None, None, CREATED_AT, CREATED_AT)
A_DAY_LATER = CREATED_AT + GIVE_UP_AFTER * SECOND


def test_a_queue_is_named_after_the_kind_and_the_receiver() -> None:
    assert NewMessage("logout", "my app").queue == "logout my app"
    assert kind_of("logout my app") == "logout"


def test_a_delivered_message_is_finished() -> None:
    delivered = MESSAGE.failed("is down", CREATED_AT).begun(CREATED_AT + 5).delivered(CREATED_AT + 6)
    assert (delivered.outcome, delivered.next_at, delivered.finished_at) == ("delivered", None, CREATED_AT + 6)
    assert (delivered.failures, delivered.reason) == (1, "")


def test_waits_double_up_to_ten_minutes_until_a_day_is_over() -> None:
    message, now, waits = MESSAGE, CREATED_AT, []
    while message.finished_at is None:
        message = message.begun(now).failed("is down", now)
        waits.append(((message.next_at or now) - now) // SECOND)
        now = message.next_at or now
    assert waits[:8] == [5, 10, 20, 40, 80, 160, 320, 600] and set(waits[8:-1]) == {600}
    assert message.outcome == "given_up" and not message.is_delivered
    assert A_DAY_LATER <= now < A_DAY_LATER + LONGEST_WAIT * SECOND


def test_a_failure_that_is_permanent_is_the_last_one() -> None:
    refused = MESSAGE.failed("no such mailbox", CREATED_AT, is_permanent=True)
    assert (refused.outcome, refused.next_at, refused.reason) == ("given_up", None, "no such mailbox")


@given(st.integers(0, GIVE_UP_AFTER * SECOND - 1), st.integers(0, 10**6))
def test_within_a_day_there_is_a_next_attempt_and_no_time_is_later_than_any_is_written(age: int, failures: int) -> None:
    now = CREATED_AT + age
    failed = replace(MESSAGE, failures=failures).failed("is down", now)
    assert failed.outcome == "failed" and failed.next_at is not None
    assert now + 5 * SECOND <= failed.next_at <= latest_next_at(now)
    assert MESSAGE.begun(now).next_at == now + LEASE * SECOND <= latest_next_at(now)

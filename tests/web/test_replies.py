"""The JSON of responses, whatever the claims in them are."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from authserver.oauth.token_reply import TokenReply
from authserver.pipeline.replies import Reply
from authserver.web.replies import send_reply


def sent(reply: Reply) -> bytes:
    messages: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    asyncio.run(send_reply(send, reply))
    return b"".join(message.get("body", b"") for message in messages)


@pytest.mark.parametrize("value", [2**70, "\ud800", [[[]]] * 3, "naïve ☕", 1e22])
def test_what_an_imported_key_has_signed_can_be_shown(value: Any) -> None:
    assert json.loads(sent(Reply(200, {"active": True, "x": value}))) == {"active": True, "x": value}


def test_tokens_come_first_and_the_refresh_token_last() -> None:
    reply = TokenReply(200, {"token_type": "Bearer"}, refresh_token="rt_1", tokens={"access_token": "a.b.c"})
    assert sent(reply) == b'{"access_token":"a.b.c","token_type":"Bearer","refresh_token":"rt_1"}'

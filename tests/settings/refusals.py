"""What `load` says of settings that it refuses."""

import pytest

from authserver.domain.errors import Misconfigured
from authserver.settings import load

CANARY = "c4n4ry"
"""Part of every value that no message may repeat."""


def refusal(**flags: object) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(**flags)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert CANARY not in repr(caught.value)
    assert "pydantic" not in str(caught.value)
    return str(caught.value)

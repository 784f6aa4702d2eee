"""The claims of a token are read as Python's `json` reads them, whatever an imported key has signed."""

import json

import pytest

from authserver.domain import base64url
from authserver.keyring.jwt import _object

CLAIMS = (
    '{"iss": "https://as.example", "sub": "u_1", "aud": ["https://api.example"], "exp": 900, "jti": "x"}',
    '{"iat": 99999999999999999999999}',
    '{"aud": [99999999999999999999999, "https://api.example"]}',
    '{"exp": 1e3, "iat": -0, "auth_time": NaN}',
    '{"scope": "\\ud800", "jti": "\\u00e9"}',
    '{"roles": [99999999999999999999999], "sub": "u_1"}',
    '{"sub": "one", "sub": "other"}',
    "{}",
)


@pytest.mark.parametrize("text", CLAIMS)
def test_claims_are_read_as_python_reads_them(text: str) -> None:
    assert repr(_object(base64url.encode(text.encode()).encode())) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["[]", "1", "", "{", '{"sub": "u_1"} {}'])
def test_what_is_not_one_object_has_no_claims(text: str) -> None:
    assert _object(base64url.encode(text.encode()).encode()) is None

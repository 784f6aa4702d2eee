"""The parameter `claims` of an authorization request (OpenID Connect Core s5.5)."""

from collections.abc import Mapping
from typing import Any

from . import standard_claims, strict_json
from .record import record

MAX_SIZE = 4096  # characters
_MAX_VALUES = 16


class ClaimsParameterRefused(ValueError):
    """The parameter is malformed. The text, which is for the log, repeats nothing of it."""


@record(frozen=True, slots=True)
class ClaimsParameter:
    """What the parameter asks for. s5.5: any members used that are not understood MUST be ignored."""

    userinfo: tuple[str, ...] = ()
    """The standard claims that it asks for at /userinfo."""
    id_token: tuple[str, ...] = ()
    """The standard claims that it asks for in the ID token."""
    subjects: tuple[str, ...] = ()
    """The user must be one of these, if there are any. s3.1.2.2: if the sub (subject) Claim is requested with a
    specific value for the ID Token, the Authorization Server MUST only send a positive response if the End-User
    identified by that sub value has an active session [...] or has been Authenticated as a result of the request."""
    essential_acr: tuple[str, ...] = ()
    """One of these must be reached. s5.5.1.1: if this is an Essential Claim and the requirement cannot be met, then the
    Authorization Server MUST treat that outcome as a failed authentication attempt."""


def parse(text: str) -> ClaimsParameter:
    """Parse the parameter. Raises ClaimsParameterRefused."""
    if len(text) > MAX_SIZE:
        raise ClaimsParameterRefused(f"claims exceeds {MAX_SIZE} characters")
    try:
        document = strict_json.parse(text.encode())
    except ValueError:
        raise ClaimsParameterRefused("claims is not a JSON object") from None
    userinfo, id_token = (_requests(document.get(member)) for member in ("userinfo", "id_token"))
    acr = id_token.get("acr", {})
    return ClaimsParameter(
        userinfo=_standard(userinfo),
        id_token=_standard(id_token),
        subjects=_texts(id_token.get("sub", {})),
        essential_acr=_texts(acr) if acr.get("essential") else (),
    )


def _requests(member: object) -> Mapping[str, Mapping[str, Any]]:
    """Return each requested claim with how it is requested. s5.5.1: null, or a JSON object."""
    requests = {} if member is None else member
    if not isinstance(requests, dict):
        raise ClaimsParameterRefused("a member of claims is not an object")
    if not all(request is None or isinstance(request, dict) for request in requests.values()):
        raise ClaimsParameterRefused("a claim is requested by something that is neither null nor an object")
    return {name: _checked(request or {}) for name, request in requests.items()}


def _checked(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(request.get("essential", False), bool):
        raise ClaimsParameterRefused("essential is neither true nor false")
    values = request.get("values", [])
    if not isinstance(values, list) or len(values) > _MAX_VALUES:
        raise ClaimsParameterRefused(f"values is not an array of at most {_MAX_VALUES}")
    return request


def _standard(requests: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in standard_claims.NAMES if name in requests)


def _texts(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the values that the claim may have; none if any value will do."""
    values = [request["value"]] if "value" in request else request.get("values", [])
    if not all(isinstance(value, str) for value in values):
        raise ClaimsParameterRefused("a value of sub or acr is not a string")
    return tuple(values)

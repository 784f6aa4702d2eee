"""Django REST framework: an authentication class and a permission class, whose errors keep status and challenge."""

import json
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission

from ..errors import TokenMissing, TokenRejected
from ..gate import Gate
from ..token import AccessToken


class RejectedByGuard(APIException):  # type: ignore[misc]
    """The framework's own exception handler turns this into the guard's response."""

    def __init__(self, gate: Gate, rejected: TokenRejected) -> None:
        answer = gate.answer(rejected)
        self.status_code = answer.status
        self.detail = json.loads(answer.body)
        self.auth_header = answer.headers.get("WWW-Authenticate")
        self.wait = answer.headers.get("Retry-After") and int(answer.headers["Retry-After"])


class TokenUser:
    """`request.user`: the token's subject, which is also its `pk`. It is not a user of Django's database."""

    is_authenticated, is_anonymous, is_active, is_staff, is_superuser = True, False, True, False, False

    def __init__(self, subject: str) -> None:
        self.pk = self.id = self.username = subject

    def __str__(self) -> str:
        return self.username


def authentication(gate: Gate) -> type[BaseAuthentication]:
    """Return an authentication class that reads the token. It leaves a request without one to other authentication
    classes and to the permissions."""

    class GuardAuthentication(BaseAuthentication):  # type: ignore[misc]
        def authenticate(self, request: Any) -> tuple[TokenUser, AccessToken] | None:
            value = request.META.get("HTTP_AUTHORIZATION")
            try:
                token = gate.admit([] if value is None else [value])
            except TokenRejected as rejected:
                raise RejectedByGuard(gate, rejected) from None
            return None if token is None else (TokenUser(token.subject), token)

        def authenticate_header(self, request: Any) -> str:
            """Return the challenge, so that errors of other permission classes also get 401 and a challenge."""
            return gate.answer(TokenMissing("rejected by another permission")).headers["WWW-Authenticate"]

    return GuardAuthentication


def permission(gate: Gate) -> type[BasePermission]:
    """Return a permission class that checks the view's requirement against the token in `request.auth`."""

    class GuardPermission(BasePermission):  # type: ignore[misc]
        def has_permission(self, request: Any, view: Any) -> bool:
            token = request.auth if isinstance(request.auth, AccessToken) else None
            try:
                gate.check(token)
            except TokenRejected as rejected:
                raise RejectedByGuard(gate, rejected) from None
            return True

    return GuardPermission

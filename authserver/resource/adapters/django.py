"""Django: a decorator for views, sync and async. Django has no types, so its classes are imported by name."""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from ..errors import TokenRejected
from ..gate import Gate

View = TypeVar("View", bound=Callable[..., Any])


def protect(gate: Gate) -> Callable[[View], View]:
    """Return a decorator for a view: only requests that `gate` admits reach the view."""

    def decorate(view: View) -> View:
        guarded = wraps(view)(_async(gate, view) if iscoroutinefunction(view) else _sync(gate, view))
        # Browsers never send a Bearer token on their own, so cross-site requests cannot be forged.
        guarded.csrf_exempt = True  # type: ignore[attr-defined]
        return cast(View, guarded)

    return decorate


def _async(gate: Gate, view: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            request.token = await gate.aadmit(_authorization(request))
        except TokenRejected as rejected:
            return _response(gate, rejected)
        return await view(request, *args, **kwargs)

    return guarded


def _sync(gate: Gate, view: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            request.token = gate.admit(_authorization(request))
        except TokenRejected as rejected:
            return _response(gate, rejected)
        return view(request, *args, **kwargs)

    return guarded


def _authorization(request: Any) -> list[str]:
    value = request.META.get("HTTP_AUTHORIZATION")  # a repeated header arrives joined by commas, which is rejected
    return [] if value is None else [value]


def _response(gate: Gate, rejected: TokenRejected) -> Any:
    answer = gate.answer(rejected)
    return import_module("django.http").HttpResponse(answer.body, status=answer.status, headers=answer.headers)

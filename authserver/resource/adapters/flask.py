"""Flask: a decorator for views, sync and async."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Response, current_app, g, request

from ..errors import TokenRejected
from ..gate import Gate

View = TypeVar("View", bound=Callable[..., Any])


def protect(gate: Gate) -> Callable[[View], View]:
    """Return a decorator for a view: only requests that `gate` admits reach the view. Put it below `@app.route`."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                g.token = gate.admit(request.headers.getlist("Authorization"))
            except TokenRejected as rejected:
                answer = gate.answer(rejected)
                return Response(answer.body, answer.status, answer.headers)
            return current_app.ensure_sync(view)(*args, **kwargs)

        return cast(View, guarded)

    return decorate

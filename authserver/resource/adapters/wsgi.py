"""WSGI: a middleware that protects a whole application."""

from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from ..errors import TokenRejected
from ..gate import Gate


def protect(gate: Gate, app: WSGIApplication) -> WSGIApplication:
    """Protect `app` by `gate`. A middleware for CORS preflights must wrap the result."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        value = environ.get("HTTP_AUTHORIZATION")  # a repeated header arrives joined by commas, which is rejected
        try:
            environ["authserver.token"] = gate.admit([] if value is None else [value])
        except TokenRejected as rejected:
            answer = gate.answer(rejected)
            fields = {**answer.headers, "Content-Length": str(len(answer.body))}
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(fields.items()))
            return [answer.body]
        return app(environ, start_response)

    return guarded

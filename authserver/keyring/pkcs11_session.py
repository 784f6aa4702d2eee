"""The session with one PKCS #11 token: it logs in once, is used by one thread at a time, and reopens after a failure.

Only one thread may use it, because of how the pkcs11 package initialises modules (PKCS #11 v2.40 s5.4: C_Initialize
without arguments says that "the application won't be accessing the Cryptoki library from multiple threads
simultaneously"). Each worker process has a session of its own.
"""

from collections.abc import Callable
from contextlib import suppress
from shlex import quote
from threading import Lock
from typing import TypeVar

import pkcs11
from pkcs11 import PKCS11Error, Session, exceptions

from ..domain.errors import KeyServiceDown, Misconfigured

T = TypeVar("T")
_PIN_REFUSED = (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange, exceptions.PinLocked)
_one_thread = Lock()
_NO_MODULE = (
    "The PKCS #11 module {module} cannot be loaded: {error}. Name the module of your HSM:\n\n"
    "    AUTHSERVER_PKCS11_MODULE=/path/to/module.so"
)
_UNKNOWN_LABEL = (
    "The PKCS #11 module {module} has no token {token!r} (its tokens: {labels}). Set:\n\n"
    "    AUTHSERVER_PKCS11_TOKEN={first}"
)
_WRONG_PIN = (
    "The PKCS #11 token {token!r} rejected the PIN ({error}). The server does not try it again, because repeated "
    "failures lock the token. Write the right PIN to a file and name it:\n\n    AUTHSERVER_PKCS11_PIN_FILE=/path/to/pin"
)


class TokenSession:
    def __init__(self, module: str, token: str, pin: str) -> None:
        """Log in. Raises Misconfigured for a wrong module, token or PIN, and KeyServiceDown if the module fails."""
        self._module, self._label, self._pin = module, token, pin
        self._session: Session | None = None
        self._refused: Misconfigured | None = None
        self._find_token()
        self.use(lambda session: None)

    def use(self, work: Callable[[Session], T], *, again: bool = True) -> T:
        """Run `work` and return its result. It may run twice, unless `again` is False, because an HSM that restarts
        forgets its sessions. Raises what `work` raises, Misconfigured, and KeyServiceDown if the module fails."""
        with _one_thread:
            try:
                return self._use(work)
            except PKCS11Error as error:
                if not again:
                    raise self._failed(error) from error
            try:
                return self._use(work)
            except PKCS11Error as error:
                raise self._failed(error) from error

    def _use(self, work: Callable[[Session], T]) -> T:
        try:
            self._session = self._session or self._log_in()
            return work(self._session)
        except PKCS11Error:
            with suppress(PKCS11Error):
                if self._session:
                    self._session.close()
            self._session = None
            raise

    def _log_in(self) -> Session:
        if self._refused:
            raise self._refused
        token = pkcs11.lib(self._module).get_token(token_label=self._label)
        try:
            return token.open(rw=True, user_pin=self._pin)
        except exceptions.UserAlreadyLoggedIn:  # PKCS #11 v2.40 s5.6: a login applies to the whole process
            return token.open(rw=True)
        except _PIN_REFUSED as error:
            self._refused = Misconfigured(_WRONG_PIN.format(token=self._label, error=type(error).__name__))
            raise self._refused from error

    def _find_token(self) -> None:
        try:
            with _one_thread:
                tokens = pkcs11.lib(self._module).get_tokens()
                labels = [token.label for token in tokens if token.label]
        except (PKCS11Error, OSError) as error:
            raise Misconfigured(_NO_MODULE.format(module=self._module, error=error or type(error).__name__)) from error
        if self._label not in labels:
            texts = {"labels": ", ".join(labels) or "none", "first": quote(labels[0]) if labels else "LABEL"}
            raise Misconfigured(_UNKNOWN_LABEL.format(module=self._module, token=self._label, **texts))

    def _failed(self, error: PKCS11Error) -> KeyServiceDown:
        return KeyServiceDown(f"The PKCS #11 token {self._label!r} failed: {type(error).__name__} {error}".rstrip(), 2)

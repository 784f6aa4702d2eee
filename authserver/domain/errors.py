"""The errors that every layer may raise. Their text is for the operator; the caller gets a constant sentence."""


class Unavailable(Exception):
    """A dependency is down or a queue is full. The response is 503 with Retry-After (`retry_after`, in seconds)."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class KeyServiceDown(Unavailable):
    """The service that holds private keys outside the database cannot be reached."""


class KeyMissing(Unavailable):
    """This process does not have the key, or has not read the keys recently enough: read them again, then retry."""


class ChangedMeanwhile(Unavailable):
    """Another process changed the same rows at the same time. Nothing was written: try again (exit code 75)."""


class Refused(Exception):
    """Policy forbids what the operator asked for (exit code 3). The text says what is allowed and what to do next."""


class Misconfigured(Exception):
    """The server cannot start with this configuration (exit code 78). The text ends with the line that fixes it."""


class ScopeRefused(ValueError):
    """The requested scope is malformed or not allowed (RFC 6749 s3.3)."""


class TargetRefused(ValueError):
    """The requested resource is unknown or was not granted (RFC 8707 s2)."""


class RequestRefused(ValueError):
    """An authorization request is wrong, and its client is told so."""

    def __init__(self, code: str, detail: str) -> None:
        """`code` is the error's (RFC 6749 s4.1.2.1); `detail` is for the log, and contains nothing that was sent."""
        super().__init__(detail)
        self.code = code

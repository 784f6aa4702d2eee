"""The few errors that every layer may raise. Their text is for the operator; the caller gets a constant sentence."""


class Unavailable(Exception):
    """A dependency is down or a queue is full; answered with 503 and Retry-After (seconds)."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class KeyServiceDown(Unavailable):
    """What holds private keys outside of the database cannot be reached."""


class KeyMissing(Unavailable):
    """A key that this process has not read yet, or not lately enough, or that is gone: read the keys, then go on."""


class ChangedMeanwhile(Unavailable):
    """Another process changed the same rows at the same time, and nothing was written: try again (exit code 75)."""


class Refused(Exception):
    """The operator asked for what policy forbids (exit code 3); the text says what is allowed and what to do next."""


class Misconfigured(Exception):
    """The server cannot start like this (exit code 78); the text ends with the line that mends it."""


class ScopeRefused(ValueError):
    """A scope was asked for that is malformed or may not be had (RFC 6749 s3.3)."""


class TargetRefused(ValueError):
    """A resource was asked for that is unknown or not granted (RFC 8707 s2)."""

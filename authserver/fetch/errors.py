"""The error of a request that has no usable response."""


class FetchFailed(Exception):
    """The request was not sent, or there was no usable response. The text says why, for the operator; it contains
    nothing that the other server sent."""

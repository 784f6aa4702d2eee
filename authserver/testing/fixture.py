"""The pytest fixture."""

from collections.abc import Iterator

from .instance import Issuer, running_issuer

try:
    import pytest
except ImportError as error:
    raise ImportError(
        "The fixture `issuer` needs pytest, which is not installed. Install it, or use the issuer without it:\n\n"
        "    pip install pytest\n"
        "    from authserver.testing import running_issuer  # with running_issuer() as issuer: ..."
    ) from error


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """A new authserver.testing.Issuer for each test."""
    with running_issuer() as running:
        yield running

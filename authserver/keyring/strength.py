"""Which RSA keys are strong enough to be used here."""

from ..domain import key_rules
from ..domain.errors import Refused
from ..resource.jwks import is_roca


def check_rsa(modulus: int, exponent: int) -> None:
    """Raise Refused for a key of a wrong size or exponent, and for one with the ROCA weakness."""
    key_rules.check_rsa(modulus, exponent)
    if is_roca(modulus):
        raise Refused("The key has the ROCA weakness (CVE-2017-15361) and can be computed. Generate another key.")

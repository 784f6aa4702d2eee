"""Which RSA keys are strong enough to be used here."""

from ..domain.errors import Refused

_LEAST_BITS, _MOST_BITS = 2048, 8192
_EXPONENT = 65537
_SMALL_PRIMES = [p for p in range(3, 168) if all(p % q for q in range(2, p))]


def check_rsa(modulus: int, exponent: int) -> None:
    """Raises Refused."""
    bits = modulus.bit_length()
    if not _LEAST_BITS <= bits <= _MOST_BITS:
        # RFC 7518 s3.3: a key of size 2048 bits or larger MUST be used with these algorithms.
        raise Refused(f"The key has {bits} bits; from {_LEAST_BITS} to {_MOST_BITS} are allowed. Make another one.")
    if exponent != _EXPONENT:
        raise Refused(f"The public exponent of the key is not {_EXPONENT}. Make another one.")
    if is_roca(modulus):
        raise Refused("The key was made by a chip whose keys can be computed (ROCA, CVE-2017-15361). Make another one.")


def is_roca(modulus: int) -> bool:
    """The fingerprint of Nemec et al., "The Return of Coppersmith's Attack" (2017), s2.3: modulo each small prime the
    modulus is a power of 65537. A good key passes for one with a chance of about 2**-27."""
    return all(modulus % prime in _powers(prime) for prime in _SMALL_PRIMES)


def _powers(prime: int) -> set[int]:
    powers: set[int] = set()
    power = 1
    while power not in powers:
        powers.add(power)
        power = power * _EXPONENT % prime
    return powers

"""The algorithms that sign access tokens (RFC 7518 s3.1, RFC 8037 s3.1), each with its own keys; and their `typ`."""

# RFC 9068 s2.1: servers "MUST include RS256 (as defined in [RFC7518]) among their supported signature algorithms".
DEFAULT = "RS256"
"""What signs for every client that has no algorithm of its own, and for all while their algorithm has no key yet."""
ALGORITHMS = (DEFAULT, "PS256", "ES256", "EdDSA")

# RFC 9068 s2.1: the "typ" value used SHOULD be "at+jwt".
DEFAULT_TYP = "at+jwt"
TYPS = (DEFAULT_TYP, "JWT")
"""The second for clients of APIs whose verifier refuses the first, such as Spring's `issuer-uri`."""

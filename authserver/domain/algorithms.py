"""The algorithms and `typ` values of access tokens (RFC 7518 s3.1, RFC 8037 s3.1). Each algorithm has its own keys."""

# RFC 9068 s2.1: servers "MUST include RS256 (as defined in [RFC7518]) among their supported signature algorithms".
DEFAULT = "RS256"
"""Signs for every client that has not chosen an algorithm, and for the others until their algorithm has a key."""
ALGORITHMS = (DEFAULT, "PS256", "ES256", "EdDSA")

# RFC 9068 s2.1: the "typ" value used SHOULD be "at+jwt".
DEFAULT_TYP = "at+jwt"
TYPS = (DEFAULT_TYP, "JWT")
"""The second is for clients of APIs whose verifier rejects the first, as Spring's `issuer-uri` does."""

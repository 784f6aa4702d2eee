"""Everything Authlib: the road of a request, what travels it (grants, revocation), and the metadata."""

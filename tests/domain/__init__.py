"""The domain, and the semantics of refresh tokens as a whole: the real road over a real database, the clock by hand."""

"""The domain, and refresh tokens as a whole: the real pipeline over a real database, the clock moved by hand."""

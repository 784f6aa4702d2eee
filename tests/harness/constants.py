"""Values that tests and measurements share."""

ISSUER = "https://as.example"
AUDIENCE = "https://api.example"
PASSWORD = "correct horse battery staple"
SECRET = "web-and-machine-have-this-secret-in-the-tests"
SECOND = 1_000_000
LONG = 120
"""Seconds, after which what a test waits for will never come, however busy the machine is."""
PATIENT = {"REFRESH_RETRY_WINDOW": "300"}
"""Settings under which no login ends because the machine was too busy for a retry."""

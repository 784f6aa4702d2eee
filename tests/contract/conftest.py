"""The contract is held against the server of web/'s tests, and against a process of its own."""

from tests.web.conftest import brisk, database, settings, shared, template

__all__ = ["brisk", "database", "settings", "shared", "template"]

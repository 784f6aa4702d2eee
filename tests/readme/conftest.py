"""Failures in the helpers are told as in tests."""

import pytest

pytest.register_assert_rewrite("tests.readme.journey", "tests.readme.terminal", "tests.readme.blocks")

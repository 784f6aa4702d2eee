"""Statements and templates that are compiled once for all tests of a process: each test's server would compile its own
again, which takes longer than most of what the tests ask of it."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import create_engine

from authserver import templates
from authserver.store import engine


class Statements(dict[Hashable, Any]):
    """What SQLAlchemy has compiled, as its `compiled_cache`. Engines of one kind of database share it: SQLAlchemy's key
    begins with the engine's own dialect, here with the dialect's class."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_any_engine(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(_of_any_engine(key), compiled)


def _of_any_engine(key: Any) -> Hashable:
    dialect, *rest = key
    return (type(dialect), *rest)


class Templates(BytecodeCache):
    """Jinja looks a template up by its file and its text."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


@contextmanager
def used() -> Iterator[None]:
    new_environment, compiled = templates._environment, Templates()

    def environment(*arguments: Any) -> Any:
        created = new_environment(*arguments)
        created.bytecode_cache = compiled
        return created

    with pytest.MonkeyPatch.context() as patch:
        options = {"compiled_cache": Statements()}
        patch.setattr(engine, "create_engine", partial(create_engine, execution_options=options))
        patch.setattr(templates, "_environment", environment)
        yield

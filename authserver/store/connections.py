"""Lends connections to the database threads."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from .engine import CONNECTION_ERRORS, DATABASE_ERRORS, READS, check_file, reading


class Connections:
    """SQLite's only thread keeps one connection, to read and to write: SQLite forgets the pages that it has read when
    another connection writes, and taking one out of the pool takes 70 us for each group. PostgreSQL's connections go
    back to the pool, where other threads wait for them."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._reading = engine, reading(engine)
        self._is_kept = engine.dialect.name == "sqlite"
        self._kept: Connection | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Lend a connection that begins no transaction."""
        if not self._is_kept:
            with self._reading.connect() as connection:
                yield connection
            return
        with self._lent(**{READS: True}) as connection:
            try:
                yield connection
            except CONNECTION_ERRORS:
                connection.invalidate()
                raise

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Lend a connection on which a transaction can begin. What is not committed is rolled back."""
        if not self._is_kept:
            with self._engine.connect() as connection:
                yield connection
            return
        with self._lent(**{READS: False}) as connection:
            yield connection

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    @contextmanager
    def _lent(self, **options: bool) -> Iterator[Connection]:
        connection = self._kept = self._kept or self._engine.connect()
        check_file(connection)
        try:
            yield connection.execution_options(**options)
        finally:
            try:
                connection.rollback()
            except DATABASE_ERRORS:
                connection.invalidate()  # on a connection that was kept, its transaction would stay open
            if connection.invalidated:
                self._kept = None
                connection.close()

"""`quickstart.py test --coverage` loses nothing that a worker of pytest-xdist measured."""

from pathlib import Path

from coverage import Coverage

from tests.conftest import pytest_sessionfinish


def test_what_was_measured_is_saved_before_the_process_exits(tmp_path: Path) -> None:
    measured = Coverage(data_file=tmp_path / "data", config_file=False)
    measured.start()
    try:
        pytest_sessionfinish()
        assert (tmp_path / "data").stat().st_size
    finally:
        measured.stop()

"""The wheel and the sdist, built once from a copy of the project."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.readme.clone import copy_project


class Distributions(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    project = tmp_path_factory.mktemp("project")
    copy_project(project)
    return build(project)


def build(project: Path, *targets: str) -> Distributions:
    """Built by the locked hatchling, without a network; `targets` are hatchling's options."""
    command = [sys.executable, "-m", "hatchling", "build", *targets]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    wheels, sdists = list((project / "dist").glob("*.whl")), list((project / "dist").glob("*.tar.gz"))
    return Distributions(wheels[0], sdists[0] if sdists else Path())

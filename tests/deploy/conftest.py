"""What the tests of the bundle find."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from portal.deployment.bundle import gather
from portal.deployment.checkout import File
from tests.deploy.project import commit_working_tree, git


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests that only read."""
    folder = tmp_path_factory.mktemp("project")
    commit_working_tree(folder)
    return folder


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of one's own, which may stand anywhere and have settings of its own."""

    def make(name: str, *settings: str) -> Path:
        folder = tmp_path / name
        git(project, "clone", "--quiet", *(f"--config={setting}" for setting in settings), str(project), str(folder))
        shutil.copytree(project / "static" / "fonts", folder / "static" / "fonts")
        return folder

    return make


@pytest.fixture(scope="session")
def files(project: Path) -> list[File]:
    """What the bundle has."""
    return gather(project)

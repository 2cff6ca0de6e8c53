"""What is installed is what is here: from the checkout, from the source archive, and in an empty environment."""

from __future__ import annotations

import email
import json
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from test_render import CONTEXT

from kesdeploy import __version__

ROOT = Path(__file__).parents[1]
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def run(*argv: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


def built(kind: str, source: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", folder, cwd=source)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        # Ours, and just made. Debian 12's Python does not know filters yet.
        archive.extractall(folder)
    (root,) = folder.iterdir()
    return root


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not IGNORED.intersection(path.relative_to(folder).parts)
    }


def expected() -> dict[str, bytes]:
    """The package as it is installed: the templates lie inside of it."""
    code = {f"kesdeploy/{name}": data for name, data in files(ROOT / "kesdeploy").items()}
    return code | {f"kesdeploy/templates/{name}": data for name, data in files(ROOT / "templates").items()}


def content(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def same(found: dict[str, bytes], wanted: dict[str, bytes]) -> None:
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []


def test_the_wheel_holds_the_package_and_its_data(wheel):
    found = {name: data for name, data in content(wheel).items() if ".dist-info/" not in name}
    same(found, expected())
    assert any(name.endswith(".j2") for name in found)
    assert "kesdeploy/catalogue.yaml" in found
    assert "kesdeploy/py.typed" in found


def test_the_source_archive_holds_what_the_checkout_does(unpacked):
    for folder in ("kesdeploy", "templates", "samples", "tests"):
        same(files(unpacked / folder), files(ROOT / folder))
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", "pyproject.toml"):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_wheel_of_the_source_archive_is_the_same(wheel, unpacked, tmp_path):
    same(content(built("wheel", unpacked, tmp_path / "again")), content(wheel))


def test_the_metadata(wheel):
    ((name, data),) = [(name, data) for name, data in content(wheel).items() if name.endswith("/METADATA")]
    assert name == f"kesdeploy-{__version__}.dist-info/METADATA"
    told = email.message_from_bytes(data)
    assert told["Version"] == __version__
    assert told["License-Expression"] == "Apache-2.0"
    assert told["License-File"] == "LICENSE"
    assert set(told.get_all("Provides-Extra")) >= {"openbao", "dev"}
    entry = next(data for name, data in content(wheel).items() if name.endswith("/entry_points.txt"))
    assert "kesdeploy = kesdeploy.__main__:main" in entry.decode()


def test_the_changelog_speaks_of_this_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{__version__}]" in text
    assert text.index("## [Unreleased]") < text.index(f"## [{__version__}]")


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An empty environment with only the wheel in it; what it depends on is borrowed from ours, and comes last."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    install = ("install", "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet", wheel)
    run(sys.executable, "-m", "pip", "--python", folder / "bin" / "python", *install, cwd=folder)
    site = run(
        folder / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder
    ).strip()
    (Path(site) / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return folder / "bin"


def test_it_is_the_installed_one_that_runs(environment, tmp_path):
    place = run(environment / "python", "-c", "import kesdeploy; print(kesdeploy.__file__)", cwd=tmp_path)
    assert place.startswith(str(environment.parent))


@pytest.mark.parametrize("command", [("kesdeploy",), ("python", "-m", "kesdeploy")])
def test_the_command_runs_from_any_folder(environment, tmp_path, command):
    program, *arguments = command
    assert run(environment / program, *arguments, "--version", cwd=tmp_path) == f"kesdeploy {__version__}\n"
    assert "Usage:" in run(environment / program, *arguments, "--help", cwd=tmp_path)


RENDER = """
import json, sys
from kesdeploy.render import render
sys.stdout.write(render("kes/kes-config.yaml.j2", json.loads(sys.argv[1])))
"""


def rendered(python: Path | str, cwd: Path) -> str:
    return run(python, "-c", RENDER, json.dumps(CONTEXT), cwd=cwd)


def test_templates_are_found_when_installed(environment, tmp_path, golden):
    golden("render/kes-config-fs.yaml", rendered(environment / "python", tmp_path))


def test_templates_are_found_in_the_source_archive(unpacked, golden):
    golden("render/kes-config-fs.yaml", rendered(sys.executable, unpacked))


def test_the_schema_is_written_when_installed(environment, tmp_path):
    assert json.loads(run(environment / "kesdeploy", "schema", cwd=tmp_path))["properties"]["keystore"]

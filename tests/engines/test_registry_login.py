"""Which login goes along with a request: the engine's own files, and the entry that names most."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from kesdeploy.engines.registry_login import login, login_header

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _write(path: Path, **logins: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = {host: {"auth": base64.b64encode(pair.encode()).decode()} for host, pair in logins.items()}
    path.write_text(json.dumps({"auths": entries}))


def test_the_entry_that_names_most_counts(folders: Path):
    logins = {"r.example": "a:1", "r.example/team": "b:2", "r.example:5000": "c:3"}
    _write(folders / "run/containers/auth.json", **logins)
    assert login("r.example/kes:1") == ("a", "1")
    assert login("r.example/team/kes:1") == ("b", "2")
    assert login("r.example:5000/kes@sha256:00") == ("c", "3")
    assert login("other.example/kes:1") is None


def test_the_files_in_their_order(folders: Path, monkeypatch: pytest.MonkeyPatch):
    _write(folders / ".docker/config.json", **{"https://index.docker.io/v1/": "docker:1", "r.example": "docker:1"})
    assert login("docker.io/minio/minio:1") == ("docker", "1")
    _write(folders / ".config/containers/auth.json", **{"r.example": "kept:1"})
    assert login("r.example/kes:1") == ("kept", "1")
    _write(folders / "run/containers/auth.json", **{"r.example": "podman:1"})
    assert login("r.example/kes:1") == ("podman", "1")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(folders / "none.json"))
    assert login("r.example/kes:1") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"auths": 1}', '{"auths": {"r.example": {"auth": "?"}}}'])
def test_a_file_without_a_login_is_none(folders: Path, text: str):
    (folders / "run/containers").mkdir(parents=True)
    (folders / "run/containers/auth.json").write_text(text)
    assert login_header("r.example/kes:1") == {}


def test_the_header_is_what_the_api_wants(folders: Path):
    _write(folders / "run/containers/auth.json", **{"r.example": "me:pass:wörd"})
    (value,) = login_header("r.example/kes:1").values()
    assert json.loads(base64.urlsafe_b64decode(value)) == {"username": "me", "password": "pass:wörd"}

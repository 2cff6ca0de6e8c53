"""Paths as another system calls them: what cannot be run here is a table."""

from __future__ import annotations

import pytest

from kesdeploy.errors import UsageError
from kesdeploy.home import Home
from kesdeploy.paths import ours, seen_by_engine

WSL = "5.15.167.4-microsoft-standard-WSL2"
LINUX = "6.1.0-28-amd64"


def _real(path: str) -> str:
    """A Mac's links."""
    for link in ("/tmp", "/var", "/etc"):
        if path == link or path.startswith(f"{link}/"):
            return f"/private{path}"
    return path


@pytest.mark.parametrize(
    ("path", "platform", "engine", "seen"),
    [
        # Linux, and Linux in WSL: the engine is at home.
        ("/home/me/minio-kes-vault", "linux", "podman", "/home/me/minio-kes-vault"),
        ("/mnt/c/minio-kes-vault/certs", "linux", "podman", "/mnt/c/minio-kes-vault/certs"),
        ("/mnt/c/minio-kes-vault/certs", "linux", "docker", "/mnt/c/minio-kes-vault/certs"),
        ("/tmp/minio-kes-fs", "linux", "podman", "/tmp/minio-kes-fs"),
        # Windows.
        (r"C:\minio-kes-vault\certs", "win32", "podman", "/mnt/c/minio-kes-vault/certs"),
        (r"c:\minio-kes-vault", "win32", "podman", "/mnt/c/minio-kes-vault"),
        ("D:/data/minio kes", "win32", "podman", "/mnt/d/data/minio kes"),
        (r"C:\Users\Zoë\minio-kes-fs", "win32", "podman", "/mnt/c/Users/Zoë/minio-kes-fs"),
        (r"C:\mixed/slashes\\twice", "win32", "podman", "/mnt/c/mixed/slashes/twice"),
        (r"\\?\C:\very\long", "win32", "podman", "/mnt/c/very/long"),
        ("E:\\", "win32", "podman", "/mnt/e"),
        (r"C:\minio-kes-vault\certs", "win32", "docker", r"C:\minio-kes-vault\certs"),
        # macOS: what the machine shares is shared by its real name.
        ("/Users/me/minio-kes-fs/minio", "darwin", "podman", "/Users/me/minio-kes-fs/minio"),
        ("/tmp/minio-kes-fs", "darwin", "podman", "/private/tmp/minio-kes-fs"),
        ("/var/folders/x/T/minio-kes-fs", "darwin", "docker", "/private/var/folders/x/T/minio-kes-fs"),
    ],
)
def test_how_the_engine_calls_it(path, platform, engine, seen):
    assert seen_by_engine(path, platform=platform, engine=engine, real=_real) == seen


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.parametrize("path", [r"\\wsl$\Debian\home\me", r"\\server\share\minio", r"minio-kes-fs", r"\only\a\root"])
def test_what_no_engine_on_windows_sees(path, engine):
    with pytest.raises(UsageError) as raised:
        seen_by_engine(path, platform="win32", engine=engine, real=_real)
    assert path in raised.value.what
    assert "KESDEPLOY_HOME" in raised.value.hint


@pytest.mark.parametrize(
    ("path", "platform", "release", "expected"),
    [
        (r"C:\minio-kes-vault", "linux", WSL, "/mnt/c/minio-kes-vault"),
        ("c:/Users/me", "linux", WSL, "/mnt/c/Users/me"),
        ("C:", "linux", WSL, "/mnt/c"),
        ("/home/me", "linux", WSL, "/home/me"),
        ("~/here", "linux", LINUX, "~/here"),
        ("C:relative", "linux", LINUX, "C:relative"),
        ("dd:/x", "linux", LINUX, "dd:/x"),
        (r"C:\minio-kes-vault", "win32", "10", r"C:\minio-kes-vault"),
    ],
)
def test_what_the_user_typed(path, platform, release, expected):
    assert ours(path, platform=platform, release=release) == expected


def test_a_windows_path_without_windows(monkeypatch, tmp_path):
    """It would be a folder called `C:\\minio` in the current one."""
    monkeypatch.setenv("KESDEPLOY_HOME", r"C:\minio-kes")
    monkeypatch.setattr("platform.release", lambda: LINUX)
    with pytest.raises(UsageError, match="a path of Windows"):
        Home.of("fs")
    monkeypatch.setattr("platform.release", lambda: WSL)
    assert str(Home.of("fs").root) == "/mnt/c/minio-kes/minio-kes-fs"

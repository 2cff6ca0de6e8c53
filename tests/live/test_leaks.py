"""Where secrets may be seen: in `env`, and in files that only their owner reads. Nowhere else."""

from __future__ import annotations

import json
import stat
import tarfile
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from commandline import engine_holds, podman

if TYPE_CHECKING:
    from commandline import Cli

pytestmark = pytest.mark.engine
PASSWORD = "recognise-Me-0123456789"


LOOKS = 4  # at a process: what a fork shows is its parent's, until it has become what it is for


class Arguments(threading.Thread):
    """Every command line and environment that a new process shows while something runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self._looks = Counter(dict.fromkeys(Path("/proc").iterdir(), LOOKS))
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            for process in Path("/proc").iterdir():
                if process.name.isdigit() and self._looks[process] < LOOKS:
                    self._looks[process] += 1
                    self.seen |= {_read(process / part) for part in ("cmdline", "environ")}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def secrets_of(cli: Cli) -> dict[str, str]:
    """Every secret of the deployment, by where it is kept."""
    found = {path.name: path.read_text() for path in (cli.folder / "secrets").iterdir() if _is_secret(path)}
    key = json.loads(cli("env", "--shell", "json").out)["KES_API_KEY"]
    return {**found, "operator's API key": key, "CA": (cli.folder / "ca" / "ca.key").read_text().split("\n")[1]}


def _is_secret(path: Path) -> bool:
    public = path.suffix == ".crt" or path.name.startswith((".", "fingerprint-"))
    return path.is_file() and not public and path.name not in ("root-user", "vault-settled")


@pytest.mark.parametrize(
    ("cli", "kms"),
    [
        ("sandbox", "fs"),
        pytest.param("sandbox", "vault", marks=pytest.mark.openbao),
        pytest.param("release", "vault", marks=[pytest.mark.live, pytest.mark.openbao]),
    ],
    indirect=["cli"],
)
def test_no_secret_is_seen(cli: Cli, kms: str, tmp_path: Path) -> None:
    (file := tmp_path / "pw").write_text(PASSWORD)
    said = []
    with Arguments() as arguments:
        up = ("up", "--kms", kms, "--images", cli.images, "--root-password", f"@{file}", "--set", "kes.log.error=debug")
        said.append(cli(*up, "--json", "-v", "--yes", *cli.ports))
        said += [cli(command) for command in ("status", "plan", "render", "logs")]
        said += [cli(command, "--json") for command in ("status", "verify", "render", "logs", "stop", "start")]
        said.append(cli("doctor", "--report", str(tmp_path / "report.tar.gz"), expect=None))
    hidden = secrets_of(cli)
    assert hidden["root-password"] == PASSWORD
    assert len(hidden) >= (5 if kms == "fs" else 6), sorted(hidden)

    places = {
        "the output of kesdeploy": "".join(run.out + run.err for run in said),
        "command lines and environments": b"\n".join(arguments.seen).decode(errors="replace"),
        "what the engine knows": engine_says(cli),
        "state.json": cli.read("state.json"),
        "kesdeploy.yaml": cli.read("kesdeploy.yaml"),
        "the report of doctor": reported(tmp_path / "report.tar.gz"),
    }
    leaks = [
        f"{name} in {place}" for place, text in places.items() for name, value in hidden.items() if core(value) in text
    ]
    assert leaks == []
    assert readable_by_others(cli, hidden) == []


def reported(file: Path) -> str:
    """Everything in the archive; what the engine and the containers said must be there."""
    with tarfile.open(file) as tar:
        found = {name: stream.read().decode() for name in tar.getnames() if (stream := tar.extractfile(name))}
    assert len([name for name in found if "/inspect/" in name]) >= 3
    assert all(text for name, text in found.items() if "/logs/" in name)
    return "\n".join(found.values())


def core(secret: str) -> str:
    """What makes it recognisable: of a PEM file a line of its body."""
    lines = secret.strip().split("\n")
    return lines[1] if len(lines) > 2 else lines[0]


def engine_says(cli: Cli) -> str:
    """Everything that `inspect` and `logs` tell about the deployment."""
    names = [line.split()[1] for line in engine_holds(cli.name)]
    containers = [name for name in dict.fromkeys(names) if name.startswith(cli.name)]
    assert len(containers) >= 2
    texts = [podman("inspect", *containers), podman("pod", "inspect", f"minio-kes-{cli.name}")]
    return "\n".join(texts + [podman("logs", name) for name in containers])


def readable_by_others(cli: Cli, hidden: dict[str, str]) -> list[str]:
    """Files that hold a secret and are open to others, in a folder that is."""
    assert stat.S_IMODE(cli.folder.stat().st_mode) == 0o700
    found = []
    for path in cli.folder.rglob("*"):
        if path.is_file() and path.stat().st_mode & 0o077:
            text = path.read_bytes().decode(errors="replace")
            found += [f"{name} in {path}" for name, value in hidden.items() if core(value) in text]
    return found

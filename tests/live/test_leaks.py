"""Where secrets may be seen: in `env`, and in files that only their owner reads. Nowhere else."""

from __future__ import annotations

import base64
import json
import stat
import tarfile
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
from commandline import engine_holds, podman
from commands import COMMANDS

from kesdeploy import pki

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert leaks(hidden, places) == []
    assert readable_by_others(cli, hidden) == []


def reported(file: Path) -> str:
    """Everything in the archive; what the engine and the containers said must be there."""
    with tarfile.open(file) as tar:
        found = {name: stream.read().decode() for name in tar.getnames() if (stream := tar.extractfile(name))}
    assert len([name for name in found if "/inspect/" in name]) >= 3
    assert all(text for name, text in found.items() if "/logs/" in name)
    return "\n".join(found.values())


# --- every command, with a secret wherever one can be typed

TYPED = "recognise-Me-typed-98765"
IMPORTED = b"recognise-Me-imported-key-000001"
TEXT = "recognise-Me-plaintext"
TOKEN = "recognise-Me-token-4711"
WRONG = "recognise-Me-wrong"
# Those that keep or show secrets; of the rest `test_no_secret_is_seen` runs most.
FAMILIES = (("key",), ("bucket",), ("certs",))
OTHERS = {("status",), ("verify",), ("logs",), ("import",)}


def typed(files: Path) -> dict[tuple[str, ...], tuple[tuple[str, ...], str]]:
    """What a user types after a command, and on standard input."""
    pair = ("--cert", str(files / "cert.pem"), "--key", str(files / "key.pem"))
    return {
        ("plan",): (("--root-password", "-"), TYPED),
        ("render",): (("--root-password", "-"), TYPED),
        ("policy",): (("vault",), ""),
        ("images", "save"): ((str(files / "images.tar.gz"),), ""),
        ("rotate-credentials",): (("--root-password", "-", "--kes", "--operator", "--yes"), TYPED),
        ("rotate-certs",): (("--new-key",), ""),
        ("key", "create"): (("own",), ""),
        ("key", "info"): (("own",), ""),
        ("key", "import"): (("imported", "-"), IMPORTED.decode()),
        ("key", "encrypt"): (("imported", "-"), TEXT),
        ("key", "delete"): (("imported", "--yes"), ""),
        ("bucket", "create"): (("photos", "--key", "own"), ""),
        ("certs", "show"): (("kes-server",), ""),
        ("certs", "import"): (("minio", *pair, "--ca", str(files / "root.pem")), ""),
    }


def mistakes(name: str, files: Path) -> list[tuple[tuple[str, ...], str]]:
    """Refused, with `-v`; what was typed is not repeated."""
    (files / "short").write_text(WRONG)
    brought = ("certs", "import", "minio", "--cert", str(files / "cert.pem"))
    return [
        (("up", "--yes", "--set", f"minio.root_password={WRONG}"), ""),
        (("up", "--yes", "-n", "other", "--kms", "kes", "--set", f"keystore.kes.api_key={WRONG}"), ""),
        (("up", "--yes", "-n", "other", "--kms", "vault", "--set", f"keystore.vault.approle.secret={WRONG}"), ""),
        (("key", "import", "short", f"@{files}/short"), ""),
        (("key", "import", "short", WRONG), ""),
        (("key", "decrypt", "own", WRONG), ""),
        ((*brought, "--key", str(files / "short"), "-n", name, "--json"), ""),
        (("rotate-credentials", "--root-password", WRONG, "--yes"), ""),
        (("rotate-credentials", "--root-password", "-", "--yes"), f"{WRONG}\x00"),
    ]


def test_no_command_shows_what_was_typed(running: Cli, tmp_path: Path) -> None:
    pair_of(files := tmp_path / "typed")
    running.env |= {"VAULT_TOKEN": TOKEN, "AWS_SECRET_ACCESS_KEY": TOKEN, "TMPDIR": str(tmp_path / "t")}
    (tmp_path / "t").mkdir()
    given, said, prints = typed(files), [], ("dek", "decrypt")
    chosen = {words for words in COMMANDS if words[:1] in FAMILIES and len(words) > 1} | {*given} | OTHERS
    commands = sorted(chosen, key=_order(given))
    with Arguments() as arguments:
        for words in commands:
            args, stdin = given.get(words, ((), ""))
            named = () if words[0] == "images" else ("-n", running.name)
            run = running(*words, *args, "-v", *named, stdin=stdin, expect=0 if words in given else None)
            said += [] if words[-1] in prints else [run]
        refused = [running(*args, "-v", stdin=stdin, expect=None) for args, stdin in mistakes(running.name, files)]
        said += [
            running("key", "list", "--json"),
            running("bucket", "list", "--json"),
            running("status", "--json", "-v"),
        ]
    assert [run for run in refused if not run.code] == []
    said += refused
    planted = {"typed": TYPED, "imported": IMPORTED.decode(), "text": TEXT, "token": TOKEN}
    planted |= {"private key": (files / "key.pem").read_text(), "wrong": WRONG}
    hidden = {**secrets_of(running), **planted}
    assert hidden["root-password"] == TYPED
    ours = [seen for seen in arguments.seen if WRONG.encode() not in seen and TOKEN.encode() not in seen]
    places = {
        "the output of kesdeploy": "".join(run.out + run.err for run in said),
        "command lines and environments": b"\n".join(ours).decode(errors="replace"),
        "what the engine knows": engine_says(running),
        "state.json": running.read("state.json"),
        "kesdeploy.yaml": running.read("kesdeploy.yaml"),
        "temporary files": "".join(p.read_text(errors="replace") for p in (tmp_path / "t").rglob("*") if p.is_file()),
    }
    assert leaks(hidden, places) == []
    assert readable_by_others(running, hidden) == []
    running("destroy", "--yes", "--save", str(tmp_path / "kept.tar.gz"))
    assert (tmp_path / "kept.tar.gz").stat().st_mode & 0o077 == 0


def _order(given: dict[tuple[str, ...], object]) -> Callable[[tuple[str, ...]], int]:
    places = list(given)
    return lambda words: places.index(words) if words in given else len(places)


def leaks(hidden: dict[str, str], places: dict[str, str]) -> list[str]:
    return [
        f"{name} in {place}"
        for place, text in places.items()
        for name, secret in hidden.items()
        for form in forms(secret)
        if form in text
    ]


def forms(secret: str) -> tuple[str, str]:
    """As it is, and as it would be in JSON of KES."""
    return core(secret), base64.b64encode(secret.encode()).decode()


def pair_of(folder: Path) -> None:
    folder.mkdir()
    now = datetime.now(UTC)
    root = pki.Authority.create("Example Root", now)
    leaf = root.issue(pki.LeafRequest("theirs", ("localhost", "127.0.0.1"), pki.Usage.SERVER, days=90), now)
    for name, text in (("root", root.cert_pem), ("cert", leaf.cert_pem), ("key", leaf.key_pem)):
        (folder / f"{name}.pem").write_bytes(text)


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

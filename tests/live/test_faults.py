"""Whatever dies while a command works: it ends in one clear way, one more command repairs, and no object is lost.

One deployment for all of them: KES, MinIO and an OpenBao that does not unseal itself.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commandline import CONTRACT, INTERRUPTED, Cli, left, podman
from conftest import deployment
from objects import Objects

from kesdeploy import pki
from kesdeploy.clients.vault import Vault
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from fault_table import Recorder

pytestmark = [pytest.mark.engine, pytest.mark.openbao, pytest.mark.xdist_group("faults")]

SERVERS = {"kes-server": "KES", "minio-server": "MinIO", "vault": "Vault"}
VICTIMS = {**SERVERS, "service": "Podman's API service", "kesdeploy": "kesdeploy itself"}
# After so many lines of what it says, this is killed: while it is there, and where it is needed.
STEPS: dict[tuple[str, ...], tuple[tuple[int, str], ...]] = {
    ("stop",): ((0, "kes-server"), (1, "service"), (1, "kesdeploy")),
    ("start",): ((0, "service"), (1, "vault"), (3, "kes-server"), (4, "kesdeploy")),
    ("up", "--yes"): ((1, "service"), (3, "vault"), (4, "kes-server"), (5, "kesdeploy"), (6, "minio-server")),
    ("rotate-certs",): ((0, "vault"), (1, "kes-server"), (1, "kesdeploy")),
    ("rotate-credentials", "--all", "--yes"): (
        *((3, "kes-server"), (4, "service"), (5, "vault"), (6, "minio-server"), (7, "kesdeploy")),
    ),
}


@pytest.fixture(scope="module")
def shared(real_podman: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, Objects]]:
    with deployment(tmp_path_factory.mktemp("home")) as cli:
        flags = ("--kms", "vault", "--set", "keystore.vault.seal=shares", "--images", cli.images, "--yes", *cli.ports)
        cli("up", *flags)
        objects = Objects.of(cli)
        objects.put_some()
        yield cli, objects


@pytest.fixture
def cli(shared: tuple[Cli, Objects]) -> Iterator[Cli]:
    """Whatever the test before did to it, it is whole."""
    yield shared[0]
    if left(shared[0]):
        repaired(*shared)


@pytest.fixture
def objects(shared: tuple[Cli, Objects]) -> Objects:
    return shared[1]


def repaired(cli: Cli, objects: Objects) -> None:
    """By one `up`, which ends with its proof. Passwords and networks may be others by now."""
    cli.again()
    objects.s3 = Objects.of(cli).s3
    objects.assert_intact()


def services_of(pid: int) -> list[int]:
    """The Podman services that a kesdeploy started for itself."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if b"service" in Path(f"/proc/{child}/cmdline").read_bytes()]
    except FileNotFoundError:
        return []


def kill(cli: Cli, process: subprocess.Popen[str], victim: str) -> None:
    if victim in SERVERS:
        podman("kill", "-s", "KILL", cli.container(victim), check=False)
        return
    for pid in [process.pid] if victim == "kesdeploy" else services_of(process.pid):
        os.kill(pid, signal.SIGKILL)


def interrupted(cli: Cli, command: tuple[str, ...], lines: int, victim: str) -> int:
    """Its exit code, after the kill."""
    process = cli.popen(*command, *(("--timeout", "30s") if command[0] in ("start", "up") else ()))
    assert process.stderr
    for _ in range(lines):
        process.stderr.readline()
    if not lines:
        time.sleep(0.4)
    kill(cli, process, victim)
    _, said = process.communicate(timeout=120)
    assert "Traceback" not in said, said
    if process.returncode not in (0, -signal.SIGKILL):
        assert process.returncode in CONTRACT, said
        assert "error:" in said or process.returncode == 7, said
        assert process.returncode == 7 or "try: " in said.splitlines()[-1], said
    return process.returncode


def powered_off(cli: Cli, *, removed: bool) -> None:
    if removed:
        podman("pod", "rm", "-f", "-t", "0", f"minio-kes-{cli.name}")
    else:
        podman("kill", "-s", "KILL", *map(cli.container, SERVERS))


@pytest.mark.parametrize("command", STEPS, ids=" ".join)
def test_killed_at_each_step(cli: Cli, objects: Objects, fault: Recorder, command: tuple[str, ...]) -> None:
    typed = " ".join(word for word in command if word != "--yes")
    for lines, victim in STEPS[command]:
        if command[0] in ("start", "up"):
            powered_off(cli, removed=command[0] == "up")
        code = interrupted(cli, command, lines, victim)
        assert code in ((-signal.SIGKILL, *INTERRUPTED) if victim == "kesdeploy" else (0, 3, 5, 6, 7)), victim
        repaired(cli, objects)
        said = "nothing more" if victim == "kesdeploy" else "done, or one error (exit 3, 5, 6, 7)"
        fault(f"{VICTIMS[victim]} is killed", f"while `{typed}` works", seen=said, repair="`up`", objects=objects)


def test_two_commands_at_once(cli: Cli, objects: Objects, fault: Recorder) -> None:
    """One waits for the other."""
    commands = (("up", "--yes"), ("rotate-certs",), ("stop",), ("start",))
    processes = [cli.popen(*command) for command in commands]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode in (0, 2), said
    repaired(cli, objects)
    seen = "they wait for each other; all done"
    fault("several commands at once", "`up`, `rotate-certs`, `stop`, `start`", seen=seen, repair="-", objects=objects)


def test_a_sealed_vault(cli: Cli, objects: Objects, fault: Recorder) -> None:
    podman("kill", "-s", "KILL", cli.container("vault"))
    podman("start", cli.container("vault"))
    status = eventually(lambda: cli("status", "--json", expect=7), lambda run: "SEALED" in run.out)
    repaired(cli, objects)
    seen = f"`status`: {status.data['keystore']['state']}, exit 7"
    fault("the managed Vault is sealed", "after a restart, `seal: shares`", seen=seen, repair="`up`", objects=objects)


def test_kes_login_ended(cli: Cli, objects: Objects, fault: Recorder) -> None:
    vault = Vault(f"https://127.0.0.1:{cli.port + 3}", ca=cli.folder / "ca/ca.crt")
    vault.login_approle(cli.read("secrets/vault-operator-id"), cli.read("secrets/vault-operator-secret"))
    vault.role("kes").destroy(cli.read("secrets/vault-approle-secret"))
    for _ in range(6):
        # Any Vault but ours would lock the role now, and refuse the next secret id, too.
        with pytest.raises(ServiceError, match="refuses the AppRole"):
            vault.login_approle(cli.read("secrets/vault-approle-id"), "a wrong one")
    status = cli("status", "--json", expect=7)
    repaired(cli, objects)
    seen = f"`status`: {status.data['keystore']['state']}, exit 7"
    fault("KES's login to the managed Vault ended", "while all runs", seen=seen, repair="`up`", objects=objects)


def test_the_clock_was_wrong(cli: Cli, objects: Objects, fault: Recorder) -> None:
    """It was ahead when everything was issued, and is right again: nothing is valid yet."""
    home = cli.folder
    authority = pki.Authority((home / "ca/ca.crt").read_bytes(), (home / "ca/ca.key").read_bytes())
    for leaf in home.glob("certs/*/public.crt"):
        said, key = pki.describe(leaf.read_bytes()), leaf.with_name("private.key").read_bytes()
        request = pki.LeafRequest(said.subject.removeprefix("CN="), said.names, pki.Usage.SERVER)
        leaf.write_bytes(authority.issue(request, datetime.now(UTC) + timedelta(days=40), key).cert_pem)
    podman("kill", "-s", "HUP", cli.container("kes-server"), cli.container("vault"))
    problems = cli("status", "--json", expect=7).json["problems"]
    (told,) = (problem for problem in problems if problem["code"] == "certificate")
    assert "not valid before" in told["message"]
    assert told["hint"] == f"kesdeploy up -n {cli.name}"
    repaired(cli, objects)
    assert cli("status", "--json").json["problems"] == []
    seen = "`status`: a certificate is not valid before …; is the clock right? exit 7"
    fault("the clock was 40 days ahead", "at the last renewal", seen=seen, repair="`up`", objects=objects)


def eventually(ask: Callable[[], object], good: Callable[[object], bool]) -> object:
    deadline = time.monotonic() + 20
    while not good(found := ask()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def test_destroy_amid_kills(cli: Cli, fault: Recorder) -> None:
    """The last one: nothing is left."""
    for lines, victim in ((0, "vault"), (0, "service"), (0, "kesdeploy"), (1, "kes-server")):
        if not left(cli):
            break
        code = interrupted(cli, ("destroy", "--yes"), lines, victim)
        assert code in (0, 3, -signal.SIGKILL), victim
    if left(cli):
        cli("destroy", "--yes")
    assert left(cli) == []
    what = "KES, Vault, Podman's API service or kesdeploy is killed"
    fault(what, "while `destroy` works", seen="done, or one error (exit 3)", repair="`destroy`")

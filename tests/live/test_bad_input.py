"""Bad input, tried as a new user would: one clear error with the next thing to type, and nothing left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from commandline import Cli, Run, left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engine


@pytest.fixture
def cli(real_podman: None, tmp_path: Path) -> Iterator[Cli]:
    """Nothing of what is tried here may leave anything: there is nothing to destroy."""
    home = tmp_path / "deployments"
    home.mkdir()
    made = Cli(home, "nosuch", 21600)
    yield made
    assert left(made) == []
    assert not home.exists() or not list(home.iterdir())


def clear(run: Run, *words: str) -> None:
    """What, because, and what to type."""
    for word in words:
        assert word in run.err, run
    assert run.out == "", run
    assert run.error[-1].startswith("  try: "), run


def test_no_engine(cli: Cli, tmp_path: Path) -> None:
    (nothing := tmp_path / "bin").mkdir()
    clear(cli(*cli.first_up, expect=3, env={"PATH": str(nothing), "CONTAINER_HOST": ""}), "Podman is not installed")


def test_engine_that_does_not_answer(cli: Cli, tmp_path: Path) -> None:
    socket_file = f"unix://{tmp_path}/nobody.sock"
    clear(cli(*cli.first_up, expect=3, env={"CONTAINER_HOST": socket_file}), "CONTAINER_HOST", "no such socket")


def test_engine_without_rights(cli: Cli, tmp_path: Path) -> None:
    """A socket of root's, as a user without root's rights."""
    path = tmp_path / "root.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        os.chown(path, 65534, 65534)
        path.chmod(0o600)
        run = cli(*cli.first_up, expect=3, env={"CONTAINER_HOST": f"unix://{path}"}, before=powerless())
    clear(run, "No right", str(path))


def powerless() -> tuple[str, ...]:
    """What starts a program that may not overrule permissions. It stays root: Python may lie in root's own folder."""
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if os.geteuid() or subprocess.run((*before, sys.executable, "-c", ""), check=False).returncode:
        pytest.skip("needs root and setpriv, to give up root's rights")
    return before


def test_folder_of_somebody_else(cli: Cli, tmp_path: Path) -> None:
    (theirs := tmp_path / "theirs").mkdir(mode=0o755)
    os.chown(theirs, 65534, 65534)
    cli.home = theirs
    clear(cli(*cli.first_up, expect=8, before=powerless()), "Permission denied", "KESDEPLOY_HOME=DIR")


def test_home_that_is_a_file(cli: Cli, tmp_path: Path) -> None:
    cli.home = tmp_path / "file"
    cli.home.write_text("")
    run = cli(*cli.first_up, expect=8)
    cli.home = tmp_path / "deployments"
    clear(run, str(tmp_path / "file"))


@pytest.mark.parametrize("port", ["s3", "console", "kes"])
def test_taken_port(cli: Cli, port: str) -> None:
    """Who has it, and a command with which it works."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        number = holder.getsockname()[1]
        run = cli(*cli.first_up, f"--{port}-port={number}", expect=3)
    clear(run, f"port {number} is taken", f"(process {os.getpid()})", "--port-offset")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--kms", "valut"), ("keystore.valut", "did you mean", "vault")),
        (("--kms", "fs", "--set", "kes.cach.any=1m"), ("kes.cach", "did you mean", "cache")),
        (
            ("--kms", "fs", "--set", "kes.cache.any=soon", "--s3-port", "70000"),
            ("kes.cache.any", "network.s3_port", "65535"),
        ),
        (("--kms", "fs", "--s3-port", "9000", "--console-port", "9000"), ("s3_port", "console_port", "9000")),
        (("--kms", "fs", "--bind", "localhost"), ("network.bind", "localhost")),
        (("--kms", "fs", "--bind", "::"), ("network.bind", "no IPv6", "0.0.0.0")),
        (("--kms", "fs", "--bind", "::1"), ("network.bind", "no IPv6", "127.0.0.1")),
        (("--kms", "fs", "-n", "my kes"), ("name", "lower-case letter")),
        (("--kms", "fs", "--key-name", "envelope"), ("key_name", "env")),
        (("--kms", "fs", "--bucket", "My Photos"), ("minio.buckets", "My Photos")),
        (("--kms", "fs", "--root-password", "env:NO_SUCH_VARIABLE"), ("env:NO_SUCH_VARIABLE", "not set")),
        (("--kms", "fs", "--root-password", "@/no/such/file"), ("@/no/such/file", "No such file")),
        (("--kms", "fs", "--timeout", "soon"), ("soon", "not a duration")),
        (("--kms", "fs", "--config", "/no/such.yaml"), ("/no/such.yaml", "no such file")),
        (("--images", "sandbox"), ("missing", "--kms fs")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and value[0].startswith("-") else "",
)
def test_wrong_word(cli: Cli, flags: tuple[str, ...], words: tuple[str, ...]) -> None:
    clear(cli("up", *flags, expect=2), *words)


def test_every_problem_of_a_file_at_once(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "my spec.yaml"
    spec.write_text("name: nosuch\nkeystore: {fs: {}}\nkes: {cahce: {any: 1m}}\nnetwork: {s3_port: many}\nkey_nme: x\n")
    run = cli("up", "--config", str(spec), "--json", expect=2)
    places = [problem["message"].split(":")[0] for problem in run.json["problems"]]
    assert sorted(places) == ["kes.cahce", "key_nme", "network.s3_port"]
    spec.write_text("name: [\n")
    clear(cli("up", "--config", str(spec), expect=2), str(spec))


@pytest.mark.parametrize("password", [" edge ", "short", "env-password-1", "line\nfeed-1234", "nul\0nul-1234"])
def test_password_that_minio_would_misread(cli: Cli, tmp_path: Path, password: str) -> None:
    """It is refused, and never repeated."""
    file = tmp_path / "password"
    file.write_text(password)
    run = cli(*cli.first_up, "--root-password", f"@{file}", expect=2)
    clear(run, "root password")
    assert password.strip() not in run.err.replace("the root password", "").replace(str(file), "")
    cli(*cli.first_up, "--root-password", password.replace("\0", ""), expect=2)


def test_unknown_deployment(cli: Cli) -> None:
    for command in ("status", "verify", "start", "stop", "down", "logs", "env"):
        clear(cli(command, expect=2), "nosuch")
    assert json.loads(cli("status", "--json", expect=2).out)["problems"][0]["hint"]
    clear(cli("destroy", "--yes", expect=2), "nosuch")
    clear(cli("status", "-n", "", expect=2), "it is empty", "leave -n away")
    clear(replace(cli, name="")("status", expect=2), "no deployment", "kesdeploy up --kms fs")

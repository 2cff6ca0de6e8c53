"""Certificates that ended, and those that users bring, on a real engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from commandline import RELEASE, engine_holds, inspect, podman
from load import assert_readable, load
from objects import Objects

from kesdeploy import pki
from kesdeploy.clients import served_certificate

if TYPE_CHECKING:
    from pathlib import Path

    from commandline import Cli

pytestmark = pytest.mark.engine
HTTPS = ("--set", "minio.https=true")
PORTS = {"minio-server": 0, "kes-server": 2}


def served(cli: Cli, part: str) -> str:
    pair = cli.folder / "secrets/operator.crt", cli.folder / "secrets/operator.key"
    return pki.describe(served_certificate("127.0.0.1", cli.port + PORTS[part], timeout=5, client=pair)).serial


def began(cli: Cli) -> dict[str, str]:
    return {part: inspect(cli.container(part))["State"]["StartedAt"] for part in PORTS}


# --- what ended


def age(cli: Cli, days: int, *, ca: bool = False) -> None:
    """Everything over its own key, as it was issued so long ago; `ca`: by an authority that has ended, too."""
    then, home = datetime.now(UTC) - timedelta(days=days), cli.folder
    authority = pki.Authority((home / "ca/ca.crt").read_bytes(), (home / "ca/ca.key").read_bytes())
    if ca:
        name = pki.describe(authority.cert_pem).subject.removeprefix("CN=")
        authority = pki.Authority.create(name, datetime.now(UTC) - timedelta(days=3651))
        (home / "ca/ca.key").write_bytes(authority.key_pem)
        copies = [*home.glob("certs/*/ca.crt"), home / "certs/minio-server/CAs/ca.crt"]
        for file in (home / "ca/ca.crt", *copies):
            file.write_bytes(authority.cert_pem)
    for leaf in home.glob("certs/*/public.crt"):
        said, key = pki.describe(leaf.read_bytes()), leaf.with_name("private.key").read_bytes()
        request = pki.LeafRequest(said.subject.removeprefix("CN="), said.names, pki.Usage.SERVER)
        leaf.write_bytes(authority.issue(request, then, key).cert_pem)
    for name in ("minio", "operator"):
        request = pki.LeafRequest(name, (), pki.Usage.CLIENT, key="ed25519")
        issued = authority.issue(request, then, (home / f"secrets/{name}.key").read_bytes())
        (home / f"secrets/{name}.crt").write_bytes(issued.cert_pem)
    if (copy := home / "config/minio/client.crt").exists():
        copy.write_bytes((home / "secrets/minio.crt").read_bytes())


def read_again(cli: Cli) -> None:
    """As it would be had time passed: the servers show what has ended."""
    parts = [line.removeprefix("container ") for line in engine_holds(cli.name) if line.startswith("container ")]
    for name in set(parts):
        if not name.endswith("minio-server") or (cli.folder / "certs/minio-server/public.crt").exists():
            podman("kill", "-s", "HUP", name)


def has_ended(cli: Cli) -> None:
    """Each command says so once, with the command that mends it."""
    mend = f"kesdeploy up -n {cli.name}"
    problems = [p for p in cli("status", "--json", expect=7).json["problems"] if p["code"] != "warning"]
    assert [(p["code"], p["hint"]) for p in problems] == [("certificate", mend)]
    assert "expired on" in problems[0]["message"]
    checks = [check for check in cli("verify", "--json", expect=7).data["checks"] if not check["ok"]]
    assert [(check["name"], check["hint"]) for check in checks] == [("certificates last", mend)]
    env = cli("env")
    assert "expired on" in env.err
    assert mend in env.err
    assert "AWS_ACCESS_KEY_ID" in env.out
    for tool in ("mc", "kes"):
        if cli.images != "sandbox":
            told = cli(tool, "ls", expect=5).error
            assert "expired on" in told[0]
            assert mend in told[-1]


def is_mended(cli: Cli, objects: Objects) -> None:
    assert cli("status", "--json").json["problems"] == []
    assert all(check["ok"] for check in cli("verify", "--json").data["checks"])
    assert cli("plan", "--json").changes == []
    Objects(Objects.of(cli).s3, objects.stored).assert_intact()


BOTH = (*HTTPS, "--set", "kes.auth=certificate")


@pytest.mark.parametrize(
    ("cli", "flags"),
    [
        pytest.param("sandbox", (), id="sandbox-http"),
        pytest.param("sandbox", BOTH, id="sandbox-certificates"),
        pytest.param("release", HTTPS, id="release-https", marks=pytest.mark.live),
        pytest.param("release", BOTH, id="release-certificates", marks=pytest.mark.live),
    ],
    indirect=["cli"],
)
def test_a_laptop_that_slept_past_the_end(cli: Cli, flags: tuple[str, ...]) -> None:
    cli.up(*flags)
    objects = Objects.of(cli)
    objects.put_some()
    started = began(cli)
    age(cli, 500)
    read_again(cli)
    has_ended(cli)
    cli.again()
    assert began(cli) == started, "nothing was restarted"
    is_mended(cli, objects)

    cli("stop")
    age(cli, 500)
    assert "expired on" in " ".join(p["message"] for p in cli("status", "--json", expect=7).json["problems"])
    cli("start")
    is_mended(cli, objects)


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_the_ca_ended_too(cli: Cli) -> None:
    cli.up(*HTTPS)
    objects = Objects.of(cli)
    objects.put_some()
    age(cli, 500, ca=True)
    read_again(cli)
    has_ended(cli)
    refused = cli("rotate-certs", "--ca", "--yes", expect=5)
    assert f"kesdeploy up -n {cli.name}" in refused.error[-1]
    assert "a new CA replaces the old one (it expired on" in cli("up", "--yes").err
    is_mended(cli, objects)


@pytest.mark.openbao
@pytest.mark.parametrize("ca", [False, True], ids=["leaves", "ca"])
def test_with_a_managed_vault(cli: Cli, ca: bool) -> None:
    cli("up", "--kms", "vault", "--images", cli.images, "--yes", *cli.ports)
    objects = Objects.of(cli)
    objects.put_some()
    age(cli, 500, ca=ca)
    read_again(cli)
    has_ended(cli)
    cli("up", "--yes")
    is_mended(cli, objects)


# --- of their own


@dataclass
class Theirs:
    """A user's own authority, and the files that it issues."""

    folder: Path

    def __post_init__(self) -> None:
        self.root = pki.Authority.create("Example Root", datetime.now(UTC))
        (self.folder / "root.pem").write_bytes(self.root.cert_pem)

    def issue(self, *names: str, days: int = 90) -> str:
        """Into the same two files, as certbot does; the serial."""
        leaf = self.root.issue(pki.LeafRequest("theirs", names, pki.Usage.SERVER, days=days), datetime.now(UTC))
        (self.folder / "cert.pem").write_bytes(leaf.cert_pem)
        (self.folder / "key.pem").write_bytes(leaf.key_pem)
        return pki.describe(leaf.cert_pem).serial

    @property
    def flags(self) -> tuple[str, ...]:
        named = {"cert": "cert.pem", "key": "key.pem", "ca": "root.pem"}
        return tuple(part for flag, name in named.items() for part in (f"--{flag}", str(self.folder / name)))


@pytest.fixture
def theirs(tmp_path: Path) -> Theirs:
    (tmp_path / "theirs").mkdir()
    return Theirs(tmp_path / "theirs")


def bring(cli: Cli, server: str, theirs: Theirs, *more: str, expect: int = 0) -> Any:
    return cli("certs", "import", server, *theirs.flags, "-n", cli.name, *more, expect=expect)


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_one_for_minio_and_its_renewals(cli: Cli, theirs: Theirs) -> None:
    """Without a request that fails, once it is there; and back."""
    cli.up(*HTTPS)
    objects = Objects.of(cli)
    objects.put_some()
    started = began(cli)
    serial = theirs.issue("localhost", "127.0.0.1")
    brought = bring(cli, "minio", theirs, "--json").data
    assert brought["serial"] == serial == served(cli, "minio-server")
    assert began(cli) == started, "by signal"
    with load(cli, writers=2, readers=2) as found:
        for _ in range(2):
            serial = theirs.issue("localhost", "127.0.0.1")
            assert ("reload", "container/minio-server") in cli.again().changes
            assert served(cli, "minio-server") == serial
        assert [c["yours"] for c in cli("rotate-certs", "--json").data["kept"]] == [True]
    assert found.errors == []
    assert began(cli) == started
    assert served(cli, "minio-server") == serial
    assert_readable(cli, found.written)
    cli("rotate-certs", "--ca", "--yes")
    assert served(cli, "minio-server") == serial

    cli.again("--set", "minio.certificate=null")
    assert served(cli, "minio-server") != serial
    Objects(Objects.of(cli).s3, objects.stored).assert_intact()
    assert not list((cli.folder / "secrets").glob("minio-server*"))


@pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True)
def test_a_name_that_this_machine_does_not_know(cli: Cli, theirs: Theirs) -> None:
    """kesdeploy's own clients, and mc in its container, reach the server all the same."""
    cli.up()
    serial = theirs.issue("s3.photos.example")
    told = bring(cli, "minio", theirs, expect=5)
    assert "--host s3.photos.example" in told.error[-1]
    assert cli("plan", "--json").changes == []
    bring(cli, "minio", theirs, "--host", "s3.photos.example")
    assert served(cli, "minio-server") == serial
    assert json.loads(cli("env", "--shell", "json").out)["AWS_ENDPOINT_URL"] == f"https://s3.photos.example:{cli.port}"
    assert all(check["ok"] for check in cli("verify", "--json").data["checks"])
    if cli.images != "sandbox":
        assert "kesdeploy-proof" in cli("mc", "ls", "this").out
    assert cli("plan", "--json").changes == []


@pytest.mark.parametrize(
    ("cli", "auth"),
    [("sandbox", "api-key"), pytest.param("release", "certificate", marks=pytest.mark.live)],
    indirect=["cli"],
)
def test_one_for_kes(cli: Cli, theirs: Theirs, auth: str) -> None:
    cli.up("--set", f"kes.auth={auth}")
    objects = Objects.of(cli)
    objects.put_some()
    started = began(cli)
    serial = theirs.issue(cli.container("kes-server"), "127.0.0.1")
    bring(cli, "kes", theirs)
    assert served(cli, "kes-server") == serial
    assert began(cli)["kes-server"] == started["kes-server"], "by signal"
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])
    if cli.images != "sandbox":
        assert "minio-backend-default-key" in cli("kes", "key", "ls").out
    serial = theirs.issue(cli.container("kes-server"), "127.0.0.1")
    assert cli.again().changes[-1] == ("reload", "container/kes-server")
    assert served(cli, "kes-server") == serial
    cli.again("--set", "kes.certificate=null")
    assert served(cli, "kes-server") != serial
    objects.assert_intact()


def test_one_that_ends_has_one_way_out(cli: Cli, theirs: Theirs) -> None:
    cli.up(*HTTPS)
    theirs.issue("127.0.0.1", days=20)
    bring(cli, "minio", theirs)
    warned = cli("status", "--json").json["problems"]
    assert [p["code"] for p in warned] == ["warning"]
    assert f"put the new one into {theirs.folder}/cert.pem" in warned[0]["hint"]
    assert warned[0]["message"] in cli("up", "--yes").err

    said = pki.describe((theirs.folder / "cert.pem").read_bytes())
    key = (theirs.folder / "key.pem").read_bytes()
    then = datetime.now(UTC) - timedelta(days=100)
    old = theirs.root.issue(pki.LeafRequest("theirs", said.names, pki.Usage.SERVER, days=90), then, key)
    for file in (theirs.folder / "cert.pem", cli.folder / "secrets/minio-server.crt"):
        file.write_bytes(old.cert_pem)
    (cli.folder / "certs/minio-server/public.crt").write_bytes(old.cert_pem)
    podman("kill", "-s", "HUP", cli.container("minio-server"))
    problems = cli("status", "--json", expect=7).json["problems"]
    assert [p["code"] for p in problems] == ["certificate"]
    assert "your certificate for minio-server expired on" in problems[0]["message"]
    refused = cli("up", "--yes", expect=5).error
    assert "expired on" in refused[0]
    assert f"{theirs.folder}/cert.pem" in refused[-1]
    serial = theirs.issue("127.0.0.1")
    cli.again()
    assert served(cli, "minio-server") == serial


# --- trust


@pytest.mark.parametrize("cli", [RELEASE], indirect=True)
def test_the_commands_that_it_prints_work(cli: Cli, tmp_path: Path) -> None:
    cli.up(*HTTPS)
    found = cli("certs", "trust", "-n", cli.name, "--json").data
    ways = {way["client"]: way for way in found["ways"]}
    env = json.loads(cli("env", "--shell", "json").out)

    def shell(script: str) -> str:
        plain = {k: v for k, v in cli.environment().items() if not k.startswith(("AWS", "SSL", "REQUESTS"))}
        run = ("sh", "-ec", script)
        done = subprocess.run(run, cwd=tmp_path, env=plain, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    if shutil.which("curl"):
        (curl,) = ways["curl"]["lines"]
        assert shell(f"{curl} -s -o /dev/null -w %{{http_code}}") == "200"
    live = f"{found['for']}/minio/health/live"
    (bundle,) = ways["Python requests"]["lines"]
    asked = f"import requests; print(requests.get('{live}').status_code)"
    assert shell(f'{bundle}; {sys.executable} -c "{asked}"') == "200\n"
    (made,) = ways["Python minio"]["lines"]
    code = made.replace("USER", repr(env["AWS_ACCESS_KEY_ID"])).replace("PASSWORD", repr(env["AWS_SECRET_ACCESS_KEY"]))
    (tmp_path / "s3.py").write_text(f"import urllib3\nfrom minio import Minio\nprint({code}.list_buckets())\n")
    assert "kesdeploy-proof" in shell(f"{sys.executable} s3.py")
    if shutil.which("keytool") and shutil.which("javac"):
        (tmp_path / "Asked.java").write_text(JAVA)
        keytool, java = ways["Java, one program"]["lines"]
        assert shell(f"{keytool}; {java.replace('…', f'Asked.java {live}')}").endswith("200\n")


JAVA = """\
public class Asked {
    public static void main(String[] address) throws Exception {
        var asked = (javax.net.ssl.HttpsURLConnection) new java.net.URI(address[0]).toURL().openConnection();
        System.out.println(asked.getResponseCode());
    }
}
"""

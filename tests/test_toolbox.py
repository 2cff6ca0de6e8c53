from __future__ import annotations

import csv
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from core_fixtures import World, world

from kesdeploy import deploy, pki, toolbox
from kesdeploy.errors import ImageError, KesdeployError, Unhealthy, UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    deploy.up(Wish("up", "fs", overrides={"keystore.fs": {}}, timeout=1), Silent())
    return made


@dataclass
class Ran:
    """What was started, and what lay in its private folder then."""

    argv: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    modes: set[int] = field(default_factory=set)
    folder: Path | None = None

    def __call__(self, argv):
        self.argv = argv
        mount = next(word for word in argv if word.endswith(",target=/kesdeploy"))
        self.folder = Path(mount.removesuffix(",target=/kesdeploy").removeprefix("type=bind,source="))
        self.modes = {self.folder.stat().st_mode & 0o777}
        self.files = {p.name: p.read_text() for p in self.folder.iterdir()}
        return 42


@pytest.fixture
def ran(monkeypatch) -> Ran:
    made = Ran()
    monkeypatch.setattr("kesdeploy.foreground.run", made)
    return made


def _run(tool: str, *arguments: str) -> int:
    return toolbox.run_tool(tool, Wish(tool, "fs"), arguments, Silent())


def test_mc_gets_its_alias_as_a_file(here, ran):
    assert _run("mc", "ls", "this") == 42
    user, password = here.home.read_secret("root-user"), here.home.read_secret("root-password")
    alias = json.loads(ran.files["config.json"])["aliases"]["this"]
    assert (alias["url"], alias["accessKey"], alias["secretKey"]) == ("http://127.0.0.1:9000", user, password)
    assert ran.argv[-4:] == ["--config-dir", "/kesdeploy", "ls", "this"]
    assert f"example.org/mc:{here.version}" not in ran.argv, "an image goes by its id"


def test_one_that_is_stopped_is_called_so(here, ran):
    for name in ("fs-kes-server", "fs-minio-server"):
        here.engine.dies(name, 0)
    with pytest.raises(Unhealthy, match="fs is stopped") as rests:
        _run("mc", "ls", "this")
    assert rests.value.hint == "kesdeploy start -n fs"
    assert not ran.argv


def test_kes_gets_the_operators_certificate(here, ran):
    _run("kes", "key", "ls")
    certificate, key = here.home.identity("operator")
    assert ran.files["client.crt"] == certificate.read_text()
    assert ran.files["client.key"] == key.read_text()
    assert "KES_SERVER=https://fs-kes-server:7373" in ran.argv
    assert ran.argv[-2:] == ["key", "ls"]


@pytest.mark.parametrize("tool", ["mc", "kes"])
def test_no_secret_on_the_command_line_and_nothing_left(here, ran, tool):
    _run(tool)
    line = " ".join(ran.argv)
    secrets = [p.read_text().strip() for p in here.home.path("secrets").iterdir() if p.is_file()]
    assert not any(secret in line for secret in secrets)
    assert ran.modes == {0o700}
    assert not ran.folder.exists()


def test_the_current_folder_is_where_it_is(here, ran, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _run("mc", "cp", "./file", "this/photos")
    assert f"type=bind,source={tmp_path},target={tmp_path}" in ran.argv
    assert ran.argv[ran.argv.index("-w") + 1] == str(tmp_path)


def test_a_folder_with_colons_and_commas_is_one_folder(here, ran, tmp_path, monkeypatch):
    odd = tmp_path / 'a:b,c"d'
    odd.mkdir()
    monkeypatch.chdir(odd)
    _run("mc", "ls", "this")
    (line,) = csv.reader([next(word for word in ran.argv if "target=/kesdeploy" not in word and "target=" in word)])
    assert line == ["type=bind", f"source={odd}", f"target={odd}"]


def test_a_folder_that_was_removed_is_not_seen(here, ran, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    _run("mc", "ls", "this")
    assert "-w" not in ran.argv
    with pytest.raises(UsageError, match="sees the current folder"):
        _run("mc", "cp", "/etc/hosts", "this/photos")


def test_where_only_certificates_count_a_new_api_key_is_told_to_be_useless(here, ran, tmp_path):
    class Told(Silent, list):
        def note(self, text):
            self.append(text)

    toolbox.run_tool("kes", Wish("kes", "fs"), ["identity", "new"], told := Told())
    assert told == []
    deploy.up(Wish("up", "fs", overrides={"kes.auth": "certificate"}, timeout=1), Silent())
    toolbox.run_tool("kes", Wish("kes", "fs"), ["identity", "new"], told)
    command = told[-1].partition(": ")[2]
    assert command.startswith("openssl req -x509")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)  # noqa: PLW1510
    if "unknown option" in done.stderr.lower():
        pytest.skip("an OpenSSL older than 3")
    assert done.returncode == 0, done.stderr
    made = pki.describe((tmp_path / "app.crt").read_bytes())
    assert not made.is_ca
    assert made.issuer == pki.describe(here.home.ca_cert.read_bytes()).subject


def test_words_that_look_like_ours_are_the_tools(here, ran):
    _run("mc", "--json", "-n", "x", "--help")
    assert ran.argv[-4:] == ["--json", "-n", "x", "--help"]


def test_the_sandbox_has_neither_and_says_what_instead(here, ran, monkeypatch):
    deploy.destroy(Wish("destroy", "fs", timeout=1), Silent())
    wish = Wish("up", "fs", overrides={"keystore.fs": {}, "images.source": "sandbox"}, timeout=1)
    deploy.up(wish, Silent())
    for tool in ("mc", "kes"):
        with pytest.raises(ImageError) as raised:
            _run(tool)
        assert raised.value.exit_code == 4
        assert "kesdeploy" in raised.value.hint
    assert ran.argv == []


def test_what_does_not_run_is_said(here, ran):
    deploy.down(Wish("down", "fs", timeout=1), Silent())
    with pytest.raises(KesdeployError) as raised:
        _run("mc", "ls")
    assert raised.value.hint == "kesdeploy up -n fs"
    assert ran.argv == []


@pytest.mark.parametrize("selinux", [True, False])
def test_the_current_folder_is_seen_where_selinux_is_on_and_gets_no_label(here, ran, monkeypatch, tmp_path, selinux):
    monkeypatch.setattr(toolbox, "_SELINUX", tmp_path if selinux else tmp_path / "none")
    toolbox.run_tool("mc", Wish("mc", "fs"), ["ls"], Silent())
    assert ("label=disable" in ran.argv) is selinux
    assert f"type=bind,source={Path.cwd()},target={Path.cwd()}" in ran.argv

"""The report for a bug: what is in it, and that no secret is, wherever one was planted."""

from __future__ import annotations

import base64
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from churn import churning

from kesdeploy.bundle import _listing
from kesdeploy.doctor import Finding, Verdict
from kesdeploy.errors import EngineError
from kesdeploy.withheld import named, of_environment, secrets_of

if TYPE_CHECKING:
    from pathlib import Path

KES, MINIO = "fs-kes-server", "fs-minio-server"


def _planted(what: str) -> str:
    """A secret that looks like no other: no pattern finds it."""
    return f"Plant/{what}+Qz7rT2mW"


# Every place that a secret can be in, and how it gets there.
PLACES = ("secrets", "json", "multi", "ca", "leaf", "fs-key", "spec", "spec-file", "spec-env", "env-file", "kes-config")
LATER = ("comment", "log", "container-env", "own-env", "error")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A podman that tells of a container what the real one tells, with a secret in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    told = {
        "Id": "1" * 64,
        "Config": {
            "Env": ["PATH=/bin", f"AWS_SECRET_ACCESS_KEY={_planted('container-env')}", "PLAIN_LOOKING=ordinary-word"],
            "CreateCommand": ["podman", "run", "-e", f"AWS_SECRET_ACCESS_KEY={_planted('container-env')}"],
            "Passwd": True,
            "Annotations": {"client_secret": "unheard-of"},
        },
    }
    (folder / "told.json").write_text(json.dumps([told]))
    (folder / "podman").write_text(
        f'#!/bin/sh\ncase $1 in container) cat "{folder}/told.json";; *) echo "{{}}";; esac\n'
    )
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def planted(up, program, tmp_path, monkeypatch):
    """A deployment with a secret in each of its corners; every one of them also in the log."""
    home = up.home
    for name in (*PLACES, "container-env", "own-env"):
        up.engine.says(KES, f"the server repeats {_planted(name)} and {json.dumps(_planted(name))}")
    # Of nobody's that we know: told by the words before it.
    up.engine.says(
        MINIO, f'request refused: {{"secretKey": "{_planted("log")}"}}, Authorization: Bearer {_planted("log")}'
    )
    home.write("secrets/vault-role", _planted("secrets").encode())
    home.write("secrets/unseal.json", json.dumps({"keys": [_planted("json")], "threshold": 1}).encode())
    home.write("secrets/two-lines", f"-----BEGIN X-----\n{_planted('multi')}\n-----END X-----\n".encode())
    home.write("ca/ca.key", _planted("ca").encode())
    home.write("certs/kes-server/private.key", _planted("leaf").encode())
    home.write("kes/minio-backend-default-key", _planted("fs-key").encode())
    (file := tmp_path / "given").write_text(_planted("spec-file") + "\n")
    monkeypatch.setenv("GIVEN_SOMEHOW", _planted("spec-env"))
    monkeypatch.setenv("VAULT_TOKEN", _planted("own-env"))
    spec = home.spec.read_text() + (
        f"# was {_planted('comment')} before\n"
        f"minio:\n  root_password: {_planted('spec')}\n  environment:\n"
        f"    MINIO_X_SECRET: '@{file}'\n    MINIO_Y_TOKEN: env:GIVEN_SOMEHOW\n"
    )
    home.spec.write_text(spec)
    home.write("config/minio/minio", f'MINIO_IDENTITY_LDAP_LOOKUP_BIND_PASSWORD="{_planted("env-file")}"\n'.encode())
    home.write("config/kes/kes-config.yaml", f"keystore:\n  vault:\n    secret: {_planted('kes-config')}\n".encode())
    finding = Finding("engine", Verdict.WARN, f"it said: password={_planted('error')}")
    monkeypatch.setattr("kesdeploy.doctor.examine", lambda *_, **__: (finding,))
    monkeypatch.setattr("kesdeploy.bundle.open_engine", lambda *_: up.engine)
    return up


def _read(file: Path) -> dict[str, str]:
    with tarfile.open(file) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers()]
        assert {member.mode for member, _ in members} == {0o600}
        return {m.name.partition("/")[2]: stream.read().decode() for m, stream in members if stream}


def test_what_is_planted_is_nowhere(planted, kesdeploy, tmp_path):
    kesdeploy("doctor", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    everything = "\n".join(found.values())
    spelled = {
        spelling: name
        for name in PLACES + LATER
        for spelling in (_planted(name), json.dumps(_planted(name))[1:-1], _planted(name).replace("/", "%2F"))
    }
    user, password = planted.home.read_secret("root-user"), planted.home.read_secret("root-password")
    spelled |= {password: "password", base64.b64encode(f"{user}:{password}".encode()).decode(): "basic"}
    assert [name for spelling, name in spelled.items() if spelling in everything] == []
    assert "unheard-of" not in everything
    assert "ordinary-word" not in everything, "no value of a container's variable is told"
    assert everything.count("REDACTED") > len(PLACES)


def test_the_test_can_fail(planted, kesdeploy, tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.bundle._clean", lambda _, text, __: text)
    kesdeploy("doctor", "--report", "r.tar.gz")
    everything = "\n".join(_read(tmp_path / "r.tar.gz").values())
    assert [name for name in (*PLACES, *LATER) if _planted(name) not in everything] == []


def test_what_is_in_it(planted, kesdeploy, tmp_path):
    kesdeploy("doctor", "-n", "fs", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    assert set(found) == {
        *("README.txt", "versions.json", "doctor.json", "list.json"),
        *(f"fs/{name}" for name in ("kesdeploy.yaml", "state.json", "files.txt")),
        *(f"fs/{name}.json" for name in ("status", "plan", "rendered")),
        *(f"fs/logs/{name}.log" for name in (KES, MINIO)),
        *(f"fs/inspect/{name}.json" for name in (KES, MINIO)),
        "fs/inspect/pod.json",
    }
    json.loads(found["versions.json"])
    assert json.loads(found["doctor.json"])[0]["name"] == "engine"
    inspected = json.loads(found[f"fs/inspect/{KES}.json"])
    assert inspected["Config"]["Env"] == ["PATH=/bin", "AWS_SECRET_ACCESS_KEY=REDACTED", "PLAIN_LOOKING=REDACTED"]
    assert inspected["Config"]["Passwd"] is True
    assert "secrets/root-password" in found["fs/files.txt"]
    assert "the server repeats REDACTED" in found[f"fs/logs/{KES}.log"]


def test_a_deployment_that_is_broken_is_reported_all_the_same(planted, kesdeploy, tmp_path):
    planted.home.spec.write_text("a: [")
    kesdeploy("doctor", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    assert found["fs/status.json"].startswith("error: ")
    assert found["fs/kesdeploy.yaml"] == "a: ["
    assert f"fs/logs/{KES}.log" in found


def test_files_that_cannot_be_read_keep_nothing_else_out(planted, kesdeploy, tmp_path):
    planted.home.spec.unlink()
    planted.home.spec.mkdir()
    planted.home.write("secrets/root-user", b"\xff")
    kesdeploy("doctor", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    assert found["fs/kesdeploy.yaml"].startswith("error: ")
    assert "secrets/root-password" in found["fs/files.txt"]


def test_files_are_listed_while_they_come_and_go(planted):
    planted.home.write("minio/photos/deep/xl.meta", b"x")
    root = planted.home.root
    with churning(planted.home.make("minio/.minio.sys/tmp"), planted.home.path("minio/photos")):
        listed = [_listing(root) for _ in range(150)]
    assert all("minio/photos\n" in text and "secrets/root-password\n" in text for text in listed)
    assert not any("deep" in text for text in listed), "of the data only what is at the top"


def test_without_an_engine_there_is_still_a_report(planted, kesdeploy, tmp_path, monkeypatch):
    def gone(*_):
        raise EngineError("Podman is not installed", hint="apt-get install -y podman")

    monkeypatch.setattr("kesdeploy.bundle.open_engine", gone)
    monkeypatch.setattr("kesdeploy.opening.open_engine", gone)
    kesdeploy("doctor", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    assert "Podman is not installed" in json.loads(found["versions.json"])["engine"]
    assert "secrets/root-password" in found["fs/files.txt"]


def test_an_engine_without_its_command_tells_what_its_api_tells(planted, kesdeploy, tmp_path, monkeypatch):
    def none(*_):
        raise EngineError("There is no docker command", hint="apt-get install docker-cli")

    monkeypatch.setattr("memory_engine.MemoryEngine.run_args", none)
    kesdeploy("doctor", "--report", "r.tar.gz")
    found = _read(tmp_path / "r.tar.gz")
    assert "There is no docker command" in found[f"fs/inspect/{KES}.json"]
    assert json.loads(found["versions.json"])["engine"]["name"] == "podman"


def test_the_file_is_private_and_no_other_is_written_over(planted, kesdeploy, ask, tmp_path):
    done = kesdeploy("doctor", "--report", "r.tar.gz")
    assert "• wrote r.tar.gz: " in done.stdout
    assert (tmp_path / "r.tar.gz").stat().st_mode & 0o777 == 0o600
    refused = kesdeploy("doctor", "--report", "r.tar.gz", expect=2)
    assert "error: r.tar.gz is there already" in refused.stderr
    assert "cannot be written" in kesdeploy("doctor", "--report", "no/where", expect=2).stderr
    assert "--fix" in kesdeploy("doctor", "--fix", "--report", "x", expect=2).stderr
    assert ask("doctor", "--report", "s.tar.gz")["data"]["done"][0].startswith("wrote s.tar.gz")


# --- what is withheld


def test_names_that_say_so():
    text = 'PASSWORD="12345678"\n  secret: abcdefgh\n"api_key": "ijklmnop",\n# token = qrstuvwx\nkey: /a/path/to/it\n'
    text += "key_name: minio-backend\nuser: somebody-else\npassword: @file-of-it\nshort_secret: x\n"
    assert list(named(text)) == ["12345678", "abcdefgh", "ijklmnop", "qrstuvwx"]


def test_the_environment_is_withheld_by_its_names():
    given = {"AWS_SECRET_ACCESS_KEY": "a" * 9, "KES_API_KEY": "b" * 9, "PATH": "/usr/bin", "X_TOKEN": "short"}
    assert list(of_environment(given)) == ["a" * 9, "b" * 9]


def test_what_everybody_may_know_is_not_withheld(up):
    withheld = set(secrets_of(up.home))
    assert up.home.read_secret("root-password") in withheld
    assert not {"fs", "minio-backend-default-key", up.home.read_secret("root-user")} & withheld
    assert not any("BEGIN" in text for text in withheld)

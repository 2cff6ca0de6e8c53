"""certs list, show, import and trust, from their flags to what is printed."""

from __future__ import annotations

import json

import pytest
from commands import run_here
from their_pki import NAME, intermediate, make, root

ROOT = root()
INTER = intermediate(ROOT)


@pytest.fixture(autouse=True)
def _clock(here, monkeypatch):
    for module in ("certificates", "environment"):
        monkeypatch.setattr(f"kesdeploy.{module}.clock", lambda: here.now)


@pytest.fixture
def pair(tmp_path):
    """Flags with paths that are relative: what is kept is not."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    made = make(INTER)
    for name, data in (("full.pem", made.pem + INTER.pem), ("key.pem", made.key_pem), ("root.pem", ROOT.pem)):
        (folder / name).write_bytes(data)
    return ("--cert", "theirs/full.pem", "--key", "theirs/key.pem", "--ca", "theirs/root.pem")


def test_the_list(up, kesdeploy, ask):
    lines = kesdeploy("certs", "list").stdout.splitlines()
    assert "✓ kes-server (server, kesdeploy's): 397 days left, until 2027-07-03" in lines
    assert "  trusted by:   minio-server, kesdeploy, KES clients" in lines
    found = ask("certs", "list")
    assert found["command"] == "certs list"
    assert [row["name"] for row in found["data"]["certificates"]] == ["ca", "minio", "operator", "kes-server"]


def test_the_list_marks_what_ends(up, kesdeploy):
    up.later(days=380)
    done = kesdeploy("certs", "list")
    assert any(line.startswith("! kes-server (server, kesdeploy's): 17 days left") for line in done.stdout.splitlines())
    assert "try: kesdeploy up -n fs" in done.stderr
    up.later(days=20)
    done = kesdeploy("certs", "list")
    assert "✗ kes-server (server, kesdeploy's): EXPIRED on 2027-07-03" in done.stdout.splitlines()
    up.home.write("certs/kes-server/public.crt", b"garbage")
    shown = kesdeploy("certs", "list").stdout
    assert "✗ kes-server (server, kesdeploy's): This is not a certificate in PEM" in shown.splitlines()


def test_one_of_them(up, kesdeploy, ask):
    shown = kesdeploy("certs", "show", "ca").stdout
    assert "Subject     CN=kesdeploy fs" in shown
    assert up.home.ca_cert.read_text() in shown
    assert ask("certs", "show", "ca")["data"]["pem"] == up.home.ca_cert.read_text()
    assert "certs list -n fs" in kesdeploy("certs", "show", "nobody", expect=2).stderr


def test_one_of_their_own(up, kesdeploy, ask, pair, tmp_path):
    done = kesdeploy("certs", "import", "minio", *pair, "--host", NAME)
    assert "S3 speaks HTTPS from now on: MinIO is restarted once" in done.stderr
    assert "✓ minio-server serves your certificate" in done.stdout
    assert f"put the next one into {tmp_path}/theirs/full.pem, then kesdeploy up -n fs" in done.stdout
    spec = json.loads(kesdeploy("status", "--json").stdout)["data"]
    assert spec["endpoints"]["s3"] == f"https://{NAME}:9000"
    assert f"key: '@{tmp_path}/theirs/key.pem'" in up.home.spec.read_text()
    again = ask("certs", "import", "minio", *pair, "--host", NAME)
    assert (again["data"]["changes"], again["data"]["taken_up"]) == ([], True)
    shown = kesdeploy("rotate-certs").stdout
    assert "minio-server: yours, until 2026-08-30, 90 days left; you renew it" in shown
    lasts = next(line for line in kesdeploy("status").stdout.splitlines() if line.startswith("Certificates"))
    assert "minio-server 90 days (yours)" in lasts


def test_a_key_from_the_environment(up, kesdeploy, pair, monkeypatch, tmp_path):
    monkeypatch.setenv("KEY", (tmp_path / "theirs" / "key.pem").read_text())
    kesdeploy("certs", "import", "minio", *pair[:2], "--key", "env:KEY", *pair[4:], "--host", NAME)
    assert "key: env:KEY" in up.home.spec.read_text()


def test_what_does_not_run(up, kesdeploy, pair):
    kesdeploy("stop")
    done = kesdeploy("certs", "import", "minio", *pair, "--host", NAME)
    assert "kept; minio-server takes it up when it starts: kesdeploy start -n fs" in done.stdout


def test_what_is_unfit_is_5_in_three_lines(up, kesdeploy, ask, pair):
    done = kesdeploy("certs", "import", "minio", *pair, expect=5)
    first, because, hint = done.stderr.splitlines()
    assert first == "error: your certificate for minio-server cannot be used: it is not valid for 127.0.0.1"
    assert because == f"  because: it names {NAME}"
    assert f"--host {NAME}" in hint
    (problem,) = ask("certs", "import", "minio", *pair, expect=5)["problems"]
    assert problem["code"] == "certificate"


@pytest.mark.parametrize(
    "arguments",
    [
        ("certs", "import"),
        ("certs", "import", "minio"),
        ("certs", "import", "vault", "--cert", "c", "--key", "k"),
        ("certs", "import", "minio", "--cert", "c", "--key", "k", "--host", "*.example.org"),
        ("certs", "import", "minio", "--cert", "c", "--key", "k", "--host", "https://s3.example.org"),
        ("certs", "show"),
        ("certs", "nonsense"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_2(up, tmp_path, arguments):
    done = run_here(*arguments, home=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize("command", [("list",), ("show", "ca"), ("trust",)])
def test_no_deployment(here, tmp_path, command):
    done = run_here("certs", *command, "--json", home=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["problems"][0]["hint"] == "kesdeploy up --kms fs"


def test_how_to_trust_it(up, kesdeploy, ask, tmp_path):
    done = kesdeploy("certs", "trust")
    assert "S3 speaks HTTP here" in done.stdout
    kesdeploy("up", "--set", "minio.https=true")
    shown = kesdeploy("certs", "trust").stdout
    assert f"  export AWS_CA_BUNDLE={up.home.ca_cert}" in shown.splitlines()
    out = tmp_path / "ca.pem"
    done = kesdeploy("certs", "trust", "--out", str(out))
    assert f"✓ wrote {out}" in done.stdout
    assert f"  export AWS_CA_BUNDLE={out}" in done.stdout.splitlines()
    assert out.read_bytes() == up.home.ca_cert.read_bytes()
    out.write_text("other")
    assert "--force" in kesdeploy("certs", "trust", "--out", str(out), expect=2).stderr
    assert ask("certs", "trust", "--out", str(out), "--force")["data"]["ca"] == str(out)

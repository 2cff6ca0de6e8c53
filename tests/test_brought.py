"""A server certificate of the user's, from the spec to what is served, in a deployment in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from core_fixtures import World, world
from their_pki import NAME, Made, intermediate, make, private, root

from kesdeploy import certificates, deploy, overview, pki, rotation, services
from kesdeploy.errors import CertificateError, SpecError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ROOT = root()
INTER = intermediate(ROOT)
KES, MINIO = "fs-kes-server", "fs-minio-server"
DAYS = timedelta(days=1)


class Told(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Files:
    """Where the user keeps them."""

    folder: Path

    def put(self, made: Made, *others: Made) -> dict[str, str]:
        (self.folder / "cert.pem").write_bytes(made.pem + b"".join(other.pem for other in others))
        (self.folder / "key.pem").write_bytes(made.key_pem)
        (self.folder / "ca.pem").write_bytes(ROOT.pem)
        return {
            "cert": str(self.folder / "cert.pem"),
            "key": f"@{self.folder}/key.pem",
            "ca": str(self.folder / "ca.pem"),
        }

    def remove(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()


@pytest.fixture
def files(tmp_path) -> Files:
    (tmp_path / "theirs").mkdir()
    return Files(tmp_path / "theirs")


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    monkeypatch.setattr("kesdeploy.certificates.clock", lambda: made.now)
    up(**{"keystore.fs": {}})
    made.engine.calls.clear()
    return made


def up(report: Silent | None = None, **overrides):
    return deploy.up(Wish("up", "fs", overrides=overrides, timeout=1), report or Silent())


def bring(section: str, given: Mapping[str, str], **more):
    wish = Wish("certs import", "fs", overrides={f"{section}.certificate": {**given, **more}}, timeout=1)
    return certificates.bring(wish, Silent(), section)


def served(here: World, part: str) -> str:
    here.spec = here.deployment.spec
    return pki.describe(here.served[services.port(here.spec, part)]).serial


def serial(made: Made) -> str:
    return f"{made.certificate.serial_number:x}"


def signals(here: World) -> list[tuple[str, ...]]:
    return [call for call in here.engine.calls if call[0] in ("signal", "stop", "create")]


def status():
    return overview.status(Wish("status", "fs"), Silent())


# --- taken up


def test_one_for_https_that_was_off(here, files):
    made = make(INTER)
    result = bring("minio", files.put(made, INTER), host=NAME)
    assert (result.exit_code, result.command, result.data["taken_up"]) == (0, "certs import", True)
    assert served(here, "minio-server") == serial(made) == result.data["serial"]
    assert here.home.read("certs/minio-server/public.crt") == made.pem + INTER.pem
    assert here.home.path("certs/minio-server/private.key").stat().st_mode & 0o777 == 0o600
    again = up()
    assert again.data["changes"] == []


def test_a_renewed_one_is_taken_up_by_signal(here, files):
    bring("minio", files.put(make(INTER), INTER), host=NAME)
    here.engine.calls.clear()
    files.put(new := make(INTER), INTER)
    assert [change["verb"] for change in up().data["changes"]] == ["replace", "replace", "replace", "reload"]
    assert signals(here)[0] == ("signal", MINIO, "SIGHUP")
    assert not [call for call in here.engine.calls if call[0] in ("stop", "create")]
    assert served(here, "minio-server") == serial(new)


def test_neither_up_nor_rotate_certs_writes_over_it(here, files):
    bring("minio", files.put(made := make(INTER, ends=20 * DAYS), INTER), host=NAME)
    rotated = rotation.rotate_certs(Wish("rotate-certs", "fs", timeout=1), Silent()).data
    assert [c["name"] for c in rotated["rotated"]] == ["kes-server"]
    (kept,) = rotated["kept"]
    assert (kept["name"], kept["yours"], kept["not_after"]) == ("minio-server", True, "2026-06-21")
    rotation.rotate_ca(Wish("rotate-certs", "fs", timeout=1, new_keys=True), Silent())
    here.later(days=10)
    up()
    assert here.home.read("certs/minio-server/public.crt") == made.pem + INTER.pem
    assert served(here, "minio-server") == serial(made)


def test_it_stays_when_its_files_are_gone(here, files):
    bring("minio", files.put(made := make(INTER), INTER), host=NAME)
    files.remove()
    here.home.path("certs/minio-server/public.crt").unlink()
    assert up().exit_code == 0
    assert served(here, "minio-server") == serial(made)


def test_going_back_issues_ours_over_a_key_of_its_own(here, files):
    bring("minio", files.put(make(INTER), INTER), host=NAME)
    theirs = here.home.read("certs/minio-server/private.key")
    up(**{"minio.certificate": None, "minio.https": True})
    assert "CN=kesdeploy fs" in pki.describe(here.home.read("certs/minio-server/public.crt")).issuer
    assert here.home.read("certs/minio-server/private.key") != theirs
    assert not list(here.home.path("secrets").glob("minio-server*"))


def test_going_back_to_http_leaves_nothing_of_it(here, files):
    bring("minio", files.put(make(INTER), INTER), host=NAME)
    up(**{"minio.certificate": None})
    assert not list(here.home.path("secrets").glob("minio-server*"))
    assert [path.name for path in here.home.path("certs/minio-server").iterdir()] == ["CAs"]


def test_kes_gets_one_by_signal_and_minio_trusts_its_root(here, files):
    made = make(INTER, names=(KES, "127.0.0.1"))
    assert bring("kes", files.put(made, INTER)).exit_code == 0
    assert served(here, "kes-server") == serial(made)
    assert ("signal", KES, "SIGHUP") in here.engine.calls
    assert ("start", KES) not in here.engine.calls, "KES goes on"
    assert ("start", MINIO) in here.engine.calls, "MinIO reads whom it trusts at its start"
    trusted = here.home.read("certs/minio-server/CAs/ca.crt")
    assert trusted == here.home.ca_cert.read_bytes() + ROOT.pem
    assert up().data["changes"] == []
    up(**{"kes.certificate": None})
    assert here.home.read("certs/minio-server/CAs/ca.crt") == here.home.ca_cert.read_bytes()


def test_what_does_not_run_takes_it_up_at_its_start(here, files):
    deploy.stop(Wish("stop", "fs"), Silent())
    here.engine.calls.clear()
    result = bring("minio", files.put(made := make(INTER), INTER), host=NAME)
    assert (result.data["taken_up"], result.exit_code) == (False, 0)
    assert {call[0] for call in here.engine.calls} == {"close"}
    deploy.start(Wish("start", "fs", timeout=1), Silent())
    assert served(here, "minio-server") == serial(made)


# --- refused, with nothing changed


def everything(here: World) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in here.home.root.rglob("*") if p.is_file() and p.name != ".lock"}


def _other_key(made: Made) -> Made:
    return Made(made.certificate, make().key)


@pytest.mark.parametrize(
    ("made", "host", "words", "hint"),
    [
        (make(INTER), "", "is not valid for 127.0.0.1", f"--host {NAME}"),
        (make(INTER, ends=-DAYS, begins=-2 * DAYS), NAME, "expired on", "cert.pem"),
        (make(ROOT, ca=True, names=(NAME,)), NAME, "certificate of a CA", "CA:FALSE"),
        (_other_key(make(INTER)), NAME, "belongs to another certificate", "key.pem"),
        (make(root("other")), NAME, "nobody vouches", "cert.pem"),
    ],
)
def test_what_is_unfit_changes_nothing(here, files, made, host, words, hint):
    before = everything(here)
    given = files.put(made, INTER)
    for attempt in (
        lambda: bring("minio", given, **({"host": host} if host else {})),
        lambda: up(**{"minio.certificate": {**given, **({"host": host} if host else {})}}),
    ):
        with pytest.raises(CertificateError) as raised:
            attempt()
        assert words in raised.value.what
        assert hint in raised.value.hint + raised.value.because
        assert raised.value.exit_code == 5
    assert everything(here) == before
    assert {call[0] for call in here.engine.calls} == {"close"}


@pytest.mark.parametrize("file", ["cert.pem", "key.pem", "ca.pem"])
def test_a_file_that_is_not_there(here, files, file):
    given = files.put(make(INTER), INTER)
    (files.folder / file).unlink()
    with pytest.raises(CertificateError, match=file) as raised:
        bring("minio", given, host=NAME)
    assert raised.value.because == "No such file or directory"


def test_an_encrypted_key_is_never_repeated(here, files):
    given = files.put(made := make(INTER), INTER)
    (files.folder / "key.pem").write_bytes(private(made.key, password=b"correct-horse"))
    with pytest.raises(CertificateError, match="encrypted") as raised:
        bring("minio", given, host=NAME)
    assert f"openssl pkey -in {files.folder}/key.pem" in raised.value.hint


def test_text_that_is_none(here, files):
    given = files.put(make(INTER), INTER)
    cert = files.folder / "cert.pem"
    cert.write_bytes(b"subject=CN=gr\xf6\xdfe\n" + cert.read_bytes())
    with pytest.raises(CertificateError, match="no text"):
        bring("minio", given, host=NAME)


def test_kes_needs_the_name_that_minio_calls_it_by(here, files):
    with pytest.raises(CertificateError, match="fs-kes-server") as raised:
        bring("kes", files.put(make(INTER, names=("127.0.0.1",)), INTER))
    assert "another that names fs-kes-server" in raised.value.hint


def test_half_of_a_renewed_pair_is_told_and_served_is_the_old_one(here, files):
    """As while certbot writes: the next `up` finds both."""
    bring("minio", files.put(old := make(INTER), INTER), host=NAME)
    new = make(INTER)
    (files.folder / "cert.pem").write_bytes(new.pem + INTER.pem)
    with pytest.raises(CertificateError, match="belongs to another certificate") as raised:
        up()
    assert "--set minio.certificate=null" in raised.value.hint
    (problem,) = (p for p in status().problems if p.code == "certificate")
    assert "another certificate" in problem.message
    assert served(here, "minio-server") == serial(old)
    (files.folder / "key.pem").write_bytes(new.key_pem)
    assert up().exit_code == 0
    assert served(here, "minio-server") == serial(new)


def test_https_that_is_off_contradicts_it(here, files):
    with pytest.raises(SpecError) as raised:
        up(**{"minio.certificate": files.put(make(INTER), INTER), "minio.https": False})
    assert "minio.https cannot be off" in raised.value.because


# --- until it ends


def test_near_its_end_status_and_up_warn_and_say_what_to_do(here, files):
    given = files.put(make(INTER, ends=40 * DAYS), INTER)
    bring("minio", given, host=NAME)
    assert status().problems == ()
    here.later(days=15)
    result, told = status(), Told()
    (problem,) = result.problems
    assert (result.exit_code, problem.code) == (0, "warning")
    assert problem.message == "your certificate for minio-server has 25 days left"
    assert problem.hint == f"put the new one into {given['cert']}, then: kesdeploy up -n fs"
    up(told)
    assert told.warnings == [f"{problem.message}: {problem.hint}"]


def test_once_it_has_ended_there_is_one_error_and_one_way(here, files):
    given = files.put(make(INTER, ends=40 * DAYS), INTER)
    bring("minio", given, host=NAME)
    here.later(days=41)
    result = status()
    assert result.exit_code == 7
    assert [p.message for p in result.problems] == ["your certificate for minio-server expired on 2026-07-11"]
    with pytest.raises(CertificateError, match="expired on 2026-07-11") as raised:
        up()
    assert given["cert"] in raised.value.hint
    assert "kesdeploy up -n fs --set minio.certificate=null" in raised.value.hint
    files.put(make(INTER, begins=40 * DAYS), INTER)
    assert up().exit_code == 0
    assert status().problems == ()


def test_odd_things_are_warned_of(here, files):
    told = Told()
    up(told, **{"minio.certificate": {**files.put(make(INTER, ends=900 * DAYS), INTER), "host": NAME}})
    assert any("Apple" in warning for warning in told.warnings)
    told = Told()
    up(told, **{"network.extra_names": ["other.example.org"]})
    assert any("other.example.org of network.extra_names" in warning for warning in told.warnings)

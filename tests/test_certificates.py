"""certs list, show and trust, and who is warned of which end, in a deployment in memory."""

from __future__ import annotations

import hashlib
import ssl

import pytest
from core_fixtures import World, world
from their_pki import NAME, intermediate, make, root

from kesdeploy import certificates, deploy, environment, overview, pki, rotation
from kesdeploy.errors import CertificateError, UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

ROOT = root()


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    for module in ("certificates", "environment"):
        monkeypatch.setattr(f"kesdeploy.{module}.clock", lambda: made.now)
    up(**{"keystore.fs": {}})
    return made


def up(name="fs", **overrides):
    return deploy.up(Wish("up", name, overrides=overrides, timeout=1), Silent())


def bring(tmp_path, section: str, made, **more):
    for name, data in ((f"{section}.crt", made.pem), (f"{section}.key", made.key_pem), ("ca", ROOT.pem)):
        (tmp_path / name).write_bytes(data)
    given = {"cert": str(tmp_path / f"{section}.crt"), "key": f"@{tmp_path}/{section}.key", **more}
    up(**{f"{section}.certificate": {key: value for key, value in given.items() if value}})


def listed() -> dict[str, dict]:
    return {row["name"]: row for row in certificates.listed(Wish("certs list", "fs")).data["certificates"]}


# --- list


def test_everything_that_is_there_and_who_trusts_whom(here):
    rows = listed()
    who = {name: (row["kind"], row["used_by"], row["trusted_by"]) for name, row in rows.items()}
    assert who == {
        "ca": (
            "authority",
            ["kes-server", "minio", "operator"],
            ["minio-server", "kesdeploy", "KES clients"],
        ),
        "minio": ("identity", ["minio-server"], ["kes-server"]),
        "operator": ("identity", ["kesdeploy"], ["kes-server"]),
        "kes-server": ("server", ["kes-server"], ["minio-server", "kesdeploy", "KES clients"]),
    }
    kes = rows["kes-server"]
    assert kes["names"][:2] == ["localhost", "127.0.0.1"]
    assert (kes["days_left"], kes["yours"], kes["source"], kes["more"]) == (397, False, "", 0)
    assert kes["serial"] == pki.describe(here.served[7373]).serial
    assert rows["minio"]["identity"] == pki.identity(here.home.read("secrets/minio.crt"))


def test_https_and_client_certificates_change_who_looks(here):
    up(**{"minio.https": True, "kes.auth": "certificate"})
    rows = listed()
    assert rows["minio-server"]["trusted_by"] == ["kesdeploy", "S3 clients"]
    assert rows["ca"]["trusted_by"] == ["minio-server", "kesdeploy", "KES clients", "S3 clients", "kes-server"]


def test_a_brought_one_and_its_root(here, tmp_path):
    bring(tmp_path, "minio", make(ROOT), ca=str(tmp_path / "ca"), host=NAME)
    rows = listed()
    assert (rows["minio-server"]["yours"], rows["minio-server"]["source"]) == (True, str(tmp_path / "minio.crt"))
    root_ = rows["minio-server-ca"]
    assert (root_["kind"], root_["source"], root_["trusted_by"]) == (
        "trusted",
        str(tmp_path / "ca"),
        ["kesdeploy", "S3 clients"],
    )
    assert "S3 clients" not in rows["ca"]["trusted_by"]
    assert "minio-server" not in rows["ca"]["used_by"]


AWS = """\
name: aws
keystore:
  aws: {region: eu-central-1, ca: FOLDER/ca.pem, credentials: {accesskey: env:AK, secretkey: env:SK}}
"""
VAULT = """\
name: own
keystore:
  vault:
    address: https://vault.example.org:8200
    ca: FOLDER/ca.pem
    tls: {cert: FOLDER/cert.pem, key: "@FOLDER/key.pem"}
    approle: {id: env:AK, secret: env:SK}
"""


def _world(tmp_path, monkeypatch, text, *others):
    """A deployment whose files are there, without a KMS behind them."""
    from core_fixtures import spec_of

    from kesdeploy import ensure

    monkeypatch.setenv("AK", "id")
    monkeypatch.setenv("SK", "secret")
    client = make(ROOT, subject="kes", names=())
    (tmp_path / "ca.pem").write_bytes(ROOT.pem + b"".join(other.pem for other in others))
    (tmp_path / "cert.pem").write_bytes(client.pem)
    (tmp_path / "key.pem").write_bytes(client.key_pem)
    made = world(tmp_path, monkeypatch, spec_of(text.replace("FOLDER", str(tmp_path))))
    made.home.write("kesdeploy.yaml", made.spec.text().encode())
    monkeypatch.setattr("kesdeploy.certificates.clock", lambda: made.now)
    for resource in made.desired:
        do = {"Secret": ensure.ensure_secret, "Authority": ensure.ensure_authority}.get(type(resource.body).__name__)
        do = do or (
            ensure.ensure_file if resource.address in ("file/aws-ca", "file/vault-ca", "file/vault-tls") else None
        )
        if do:
            do(made.deployment, resource, None)
    return made


def _rows(name):
    return {row["name"]: row for row in certificates.listed(Wish("certs list", name)).data["certificates"]}


def test_the_root_of_a_keystore(tmp_path, monkeypatch):
    _world(tmp_path, monkeypatch, AWS, root("second"), root("third"))
    row = _rows("aws")["aws-ca"]
    assert (row["kind"], row["used_by"], row["trusted_by"], row["more"]) == (
        "trusted",
        ["the keystore aws"],
        ["kes-server", "kesdeploy"],
        2,
    )
    assert row["source"] == f"{tmp_path}/ca.pem"


def test_what_kes_shows_to_a_vault(tmp_path, monkeypatch):
    _world(tmp_path, monkeypatch, VAULT)
    rows = _rows("own")
    (shown,) = (row for row in rows.values() if row.get("subject") == "CN=kes")
    assert (shown["kind"], shown["used_by"], shown["trusted_by"], shown["yours"]) == (
        "identity",
        ["kes-server"],
        ["the keystore vault"],
        True,
    )
    assert rows["vault-ca"]["kind"] == "trusted"


def test_one_that_nobody_can_read_is_a_row_and_a_problem(here):
    here.home.write("certs/kes-server/public.crt", b"garbage")
    result = certificates.listed(Wish("certs list", "fs"))
    (row,) = (row for row in result.data["certificates"] if row["name"] == "kes-server")
    assert row["error"] == "This is not a certificate in PEM"
    assert "serial" not in row
    assert any("certs/kes-server/public.crt" in problem.message for problem in result.problems)


# --- show


def test_one_of_them(here):
    shown = certificates.shown(Wish("certs show", "fs"), "kes-server").data
    pem = here.home.read("certs/kes-server/public.crt").decode()
    assert shown["pem"] == pem
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    assert shown["sha256"].replace(":", "").lower() == digest
    assert shown["usages"] == ["serverAuth"]


def test_no_key_is_ever_shown(here):
    up(**{"minio.https": True})
    for name in listed():
        assert "PRIVATE" not in certificates.shown(Wish("certs show", "fs"), name).data["pem"]


def test_a_name_that_there_is_none_of(here):
    with pytest.raises(UsageError, match="'nobody'") as raised:
        certificates.shown(Wish("certs show", "fs"), "nobody")
    assert "ca, minio, operator, kes-server" in raised.value.because
    here.home.write("ca/ca.crt", b"garbage")
    with pytest.raises(CertificateError):
        certificates.shown(Wish("certs show", "fs"), "ca")


# --- trust


def trust(out=None, **more):
    return certificates.trust(Wish("certs trust", "fs"), out, **more).data


def test_without_https_it_is_for_kes(here):
    data = trust()
    assert (data["ca"], data["for"], data["https"]) == (str(here.home.ca_cert), "https://127.0.0.1:7373", False)
    assert not any("boto3" in way["client"] for way in data["ways"])


def test_with_https_it_is_for_s3(here):
    up(**{"minio.https": True})
    data = trust()
    assert data["for"] == "https://127.0.0.1:9000"
    assert any("boto3" in way["client"] for way in data["ways"])


def test_of_a_brought_one_it_is_its_root(here, tmp_path):
    bring(tmp_path, "minio", make(ROOT), ca=str(tmp_path / "ca"), host=NAME)
    data = trust(tmp_path / "out.pem")
    assert data["for"] == f"https://{NAME}:9000"
    assert (tmp_path / "out.pem").read_bytes() == ROOT.pem
    env = environment.exports(Wish("env", "fs"), Silent()).data["variables"]
    assert data["ca"] == str(tmp_path / "out.pem")
    assert env["AWS_CA_BUNDLE"] == trust()["ca"] == str(here.home.secret("minio-server-ca.crt"))
    assert env["AWS_ENDPOINT_URL"] == f"https://{NAME}:9000"


def test_what_a_public_authority_signed_needs_no_trust(here, tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.clients.handshake.refuse_untrusted", lambda *_: None)
    bring(tmp_path, "minio", make(intermediate(ROOT)), host=NAME)
    assert "AWS_CA_BUNDLE" not in environment.exports(Wish("env", "fs"), Silent()).data["variables"]
    assert trust()["for"] == "https://127.0.0.1:7373", "KES is still ours"
    bring(tmp_path, "kes", make(intermediate(ROOT), names=("fs-kes-server", "127.0.0.1")))
    with pytest.raises(UsageError, match="nothing to trust"):
        trust()


def test_a_file_is_not_replaced_unasked(here, tmp_path):
    out = tmp_path / "ca.pem"
    out.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        trust(out)
    assert out.read_text() == "mine"
    assert trust(out, force=True)["out"] == str(out)
    assert trust(out)["out"] == str(out), "the same is no harm"
    assert out.read_bytes() == here.home.ca_cert.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o644


# --- until they end


def problems() -> list[tuple[str, str, str]]:
    found = overview.status(Wish("status", "fs"), Silent()).problems
    return [(problem.code, problem.message, problem.hint) for problem in found]


def test_all_that_ended_is_one_error_with_one_command(here):
    up(**{"minio.https": True})
    here.later(days=398)
    (problem,) = problems()
    assert problem == (
        "certificate",
        "certificates: kes-server expired on 2027-07-03, minio-server expired on 2027-07-03",
        "kesdeploy up -n fs",
    )
    up()
    assert problems() == []


def test_what_follows_from_it_is_not_told(here):
    here.later(days=398)
    here.store.silent = True
    here.kes.silent = True
    assert [code for code, _, _ in problems()] == ["certificate"]


def test_clients_count_where_kes_looks_at_their_dates(here):
    here.later(days=398)
    assert "operator" not in problems()[0][1]
    up(**{"kes.auth": "certificate"})
    here.later(days=398)
    assert {"minio expired", "operator expired"} <= {part.rpartition(" on ")[0] for part in _parts(problems()[0][1])}


def _parts(message: str) -> list[str]:
    return message.removeprefix("certificates: ").split(", ")


def test_the_ca_near_its_end(here):
    """`up` does not change it by the way: who trusts it has to be told before. Its leaves end with it."""
    here.later(days=3650 - 25)
    up()
    ca = here.home.ca_cert.read_bytes()
    assert problems() == [
        ("warning", "the certificate of ca has 25 days left", "kesdeploy rotate-certs --ca -n fs"),
    ]
    assert up().data["changes"] == [], "a leaf that cannot last longer is not issued again and again"
    assert here.home.ca_cert.read_bytes() == ca
    rotation.rotate_ca(Wish("rotate-certs", "fs", timeout=1, new_keys=True), Silent())
    assert problems() == []
    assert listed()["kes-server"]["days_left"] == 397


def test_a_new_ca_of_which_only_the_key_was_written_is_made_again(here):
    up()
    old = here.home.ca_cert.read_bytes()
    here.home.write("ca/ca.key", pki.Authority.create("killed just then", here.now).key_pem)
    done = rotation.rotate_ca(Wish("rotate-certs", "fs", timeout=1, new_keys=True), Silent())
    new = here.home.ca_cert.read_bytes()
    assert pki.split(new) != pki.split(old)
    ca = {"file": str(here.home.ca_cert), "sha256": pki.fingerprint(new), "before": pki.fingerprint(old)}
    assert done.data["ca"] == ca
    assert problems() == []
    assert up().data["changes"] == []


def test_the_ca_after_its_end(here):
    here.later(days=3651)
    (problem,) = problems()
    assert problem[0] == "certificate"
    assert "ca expired on 2036-05-29" in problem[1]
    assert problem[2] == "kesdeploy up -n fs"
    for rotate in (rotation.rotate_certs, rotation.rotate_ca):
        with pytest.raises(CertificateError, match="CA expired") as raised:
            rotate(Wish("rotate-certs", "fs", timeout=1), Silent())
        assert raised.value.hint.startswith("kesdeploy up -n fs")
    up()
    assert problems() == []


def test_env_warns_and_prints_all_the_same(here):
    class Told(Silent):
        def warn(self, text: str) -> None:
            told.append(text)

    told: list[str] = []
    here.later(days=398)
    assert environment.exports(Wish("env", "fs"), Told()).data["variables"]["AWS_ACCESS_KEY_ID"]
    assert told == ["the certificate of kes-server expired on 2027-07-03: kesdeploy up -n fs"]


def test_a_keystores_root_that_ends_is_a_warning_unless_it_is_one_of_many(tmp_path, monkeypatch):
    from datetime import timedelta

    old = root("old", begins=timedelta(-20), ends=timedelta(-1))
    _world(tmp_path, monkeypatch, AWS, old)
    result = certificates.listed(Wish("certs list", "aws"))
    assert result.problems == ()
    monkeypatch.setattr("test_certificates.ROOT", old)
    (tmp_path / "minio-kes-aws" / "config" / "kes" / "aws-ca.crt").write_bytes(old.pem)
    (problem,) = certificates.listed(Wish("certs list", "aws")).problems
    assert (problem.code, problem.hint) == (
        "warning",
        f"put the new one into {tmp_path}/ca.pem, then: kesdeploy up -n aws",
    )

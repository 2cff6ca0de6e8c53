"""`@FILE` in the place of an identity, and the identities that a spec may not give away."""

from __future__ import annotations

import pytest
from core_fixtures import NOW, spec_of, world

from kesdeploy import admitted, opening, pki
from kesdeploy.errors import SpecError
from kesdeploy.opening import Wish

API_KEY = "kes:v1:AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs"
IDENTITY = "ea9826089311fe44d7590408ede9150f7c637b6cab0a91ee6fe1aa5d9fb366f6"


@pytest.fixture
def leaf():
    authority = pki.Authority.create("somebody", NOW)
    return authority, authority.issue(pki.LeafRequest("client", (), pki.Usage.CLIENT, key="ed25519"), NOW)


def file(tmp_path, content: bytes) -> str:
    path = tmp_path / "client"
    path.write_bytes(content)
    return f"@{path}"


def test_of_a_certificate_a_key_and_an_api_key(leaf):
    _, pair = leaf
    expected = pki.identity(pair.cert_pem)
    assert admitted.of(pair.cert_pem) == expected
    assert admitted.of(pair.key_pem) == expected
    assert admitted.of(f"{pki.api_key_of(pair.key_pem)}\n".encode()) == expected
    assert admitted.of(API_KEY.encode()) == IDENTITY


def test_wherever_an_identity_stands(tmp_path):
    source = file(tmp_path, API_KEY.encode())
    tree = {"kes": {"admin": source, "policies": {"app": {"identities": [source, "b" * 64], "allow": ["@x"]}}}}
    assert admitted.resolved(tree) == {
        "kes": {"admin": IDENTITY, "policies": {"app": {"identities": [IDENTITY, "b" * 64], "allow": ["@x"]}}}
    }
    flags = {"kes.admin": source, "kes.policies.app": {"identities": [source]}, "minio.root_password": source}
    assert admitted.laid_over(flags) == {
        "kes.admin": IDENTITY,
        "kes.policies.app": {"identities": [IDENTITY]},
        "minio.root_password": source,
    }


def refused(tmp_path, content: bytes) -> str:
    with pytest.raises(SpecError) as raised:
        admitted.laid_over({"kes.admin": file(tmp_path, content)})
    return str(raised.value.because)


@pytest.mark.parametrize("content", [b"", b"hello", b"kes:v1:hunter2", b"\xff\xfe"])
def test_a_file_that_holds_none(tmp_path, content):
    said = refused(tmp_path, content)
    assert said.startswith("kes.admin: ")
    assert "hunter2" not in said


def test_a_file_that_is_not_there():
    with pytest.raises(SpecError, match="identity") as raised:
        admitted.laid_over({"kes.policies.app.identities.0": "@/nowhere/x.crt"})
    assert raised.value.because == "kes.policies.app.identities.0: /nowhere/x.crt: No such file or directory"


def test_the_certificate_of_an_authority_which_kes_does_not_see(tmp_path, leaf):
    assert "CA:TRUE" in refused(tmp_path, leaf[0].cert_pem)


@pytest.mark.parametrize("name", ["minio", "operator"])
@pytest.mark.parametrize("place", ["kes__admin", "kes__policies"])
def test_our_own_are_not_for_others(tmp_path, monkeypatch, name, place):
    here = world(tmp_path, monkeypatch)
    here.up()
    ours = pki.identity(here.home.identity(name)[0].read_bytes())
    given = ours if place == "kes__admin" else {"app": {"identities": ["a" * 64, ours]}}
    with pytest.raises(SpecError) as raised:
        admitted.refuse_ours(spec_of(**{place: given}), here.home)
    path = "kes.admin" if place == "kes__admin" else "kes.policies.app.identities.1"
    assert raised.value.because.startswith(f"{path}: this is the deployment's own identity {name!r}")
    admitted.refuse_ours(spec_of(kes__admin="a" * 64), here.home)


def test_what_a_command_is_given_is_written_as_the_identity(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch)
    wish = Wish("up", "fs", overrides={"keystore.fs": {}, "kes.admin": file(tmp_path, API_KEY.encode())})
    assert opening.load(wish, here.home).kes.admin == IDENTITY


def test_a_prefix_and_a_keystore_of_others_name_the_key_together(tmp_path, monkeypatch):
    here = world(tmp_path, monkeypatch)
    over = {
        "keystore.vault": {"address": "https://v:8200", "approle": {"id": "env:A", "secret": "env:B"}},
        "kes.key_prefix": "team-",
    }
    found = opening.load(Wish("up", "fs", overrides=over), here.home)
    assert found.key_name.startswith("team-fs-")

from __future__ import annotations

import pytest
import yaml
from core_fixtures import SITE, VAULT, World, spec_of, world
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kesdeploy import filled, pki, topology
from kesdeploy.minio_rules import unreadable
from kesdeploy.resources import File
from kesdeploy.sandbox.minio import envfile


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


def _files(here: World) -> dict[str, File]:
    return {r.address: r.body for r in here.desired if isinstance(r.body, File)}


def test_an_outline_needs_nothing_and_holds_nothing(here):
    text = filled.outline(_files(here)["file/minio-env"])
    assert 'MINIO_ROOT_PASSWORD="REDACTED"' in text
    assert 'MINIO_KMS_KES_API_KEY="REDACTED"' in text


def test_an_outline_names_identities_which_are_no_secret(here):
    assert '"<identity minio>"' in filled.outline(_files(here)["file/kes-config"])


def test_a_text_holds_what_its_refs_stand_for(here):
    here.up()
    deployment, files = here.deployment, _files(here)
    env = filled.text(deployment, files["file/minio-env"])
    assert f'MINIO_ROOT_PASSWORD="{here.home.read_secret("root-password")}"' in env
    assert f'MINIO_KMS_KES_API_KEY="{pki.api_key_of(here.home.identity("minio")[1].read_bytes())}"' in env
    config = filled.text(deployment, files["file/kes-config"])
    for name in ("minio", "operator"):
        assert pki.identity(here.home.identity(name)[1].read_bytes()) in config


def test_identity_of_the_certificate_is_that_of_the_key(here):
    here.up()
    for name in ("minio", "operator"):
        certificate, key = here.home.identity(name)
        assert pki.identity(certificate.read_bytes()) == pki.identity(key.read_bytes())


def test_a_text_whose_secret_does_not_exist_yet(here):
    with pytest.raises(FileNotFoundError):
        filled.text(here.deployment, _files(here)["file/minio-env"])


def test_filling_in_changes_no_body():
    wanted = topology.desired(spec_of(VAULT), SITE)
    file = next(r for r in wanted if r.address == "file/kes-config")
    before = file.digest
    assert "REDACTED" in filled.outline(file.body)
    assert file.digest == before


@pytest.mark.parametrize("missing", ["public.crt", "private.key"])
def test_a_leaf_that_is_half_there_is_not_there(here, missing):
    here.up()
    folder = here.home.path("certs/kes-server")
    (folder / missing).unlink()
    request = pki.LeafRequest("kes-server", ("localhost",), pki.Usage.SERVER)
    assert filled.leaf_seen(here.deployment, folder / "public.crt", folder / "private.key", request) is None


def test_another_name_is_another_leaf(here):
    here.up()
    folder = here.home.path("certs/kes-server")
    request = pki.LeafRequest("kes-server", ("other.example.org",), pki.Usage.SERVER)
    assert filled.leaf_seen(here.deployment, folder / "public.crt", folder / "private.key", request).reason


@pytest.fixture
def ready(here) -> World:
    here.up()
    return here


PASSWORDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=8, max_size=30)
WHATEVER_IS_THERE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@WHATEVER_IS_THERE
@given(PASSWORDS.filter(lambda password: not unreadable(password)))
@example('$HOME `id` #no "comment"')
@example("'quoted' \\ back")
def test_any_password_reaches_minio_as_it_was_given(ready, password):
    ready.home.write_secret("root-password", password)
    text = filled.text(ready.deployment, _files(ready)["file/minio-env"])
    assert dict(envfile.parse(text))["MINIO_ROOT_PASSWORD"] == password


@WHATEVER_IS_THERE
@given(st.from_regex(r"[0-9A-Za-df-z_][0-9A-Za-z_-]{0,20}[0-9A-Za-z]", fullmatch=True))
@example("0777")
@example("on")
@example("1e3")
def test_any_key_name_is_a_text_in_kess_configuration(ready, name):
    ready.spec = spec_of(key_name=name)
    body = _files(ready)["file/kes-config"]
    config = yaml.safe_load(filled.text(ready.deployment, body))
    assert f"/v1/key/create/{name}" in config["policy"]["minio"]["deny"]

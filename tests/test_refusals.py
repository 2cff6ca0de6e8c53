"""What is refused before anything is written, so that no object becomes unreadable by a change of mind."""

from __future__ import annotations

import pytest
from core_fixtures import VAULT, World, spec_of, world

from kesdeploy import protection
from kesdeploy.errors import DataProtected

KEY = "minio-backend-default-key"
# As the real server writes it (RELEASE.2025-04-22), shortened.
CONFIG = b'\x01\x00{"aead":"AES-256-GCM-HMAC-SHA-256","keyid":"k1","kmskey":"eyJhZWFkIjoi","iv":"x"}\x00\xff'


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.up()
    made.deployment.state.update(lambda s: s.__class__(**{**vars(s), "keystore": "fs"}))
    return made


def holds(here: World, *drives: str) -> None:
    """MinIO has written something, with the key that KES keeps."""
    here.home.write(f"kes/{KEY}", b"a2V5")
    for drive in drives or ("",):
        here.home.make(f"minio/{drive}/.minio.sys/config".replace("//", "/"))


def refused(here: World) -> DataProtected:
    with pytest.raises(DataProtected) as raised:
        protection.refuse(here.deployment)
    return raised.value


def test_without_data_everything_may_change(here):
    here.want(key_name="other", minio__drives=4)
    here.spec = spec_of(VAULT.replace("name: vault", "name: fs"))
    protection.refuse(here.deployment)


def test_with_data_nothing_of_this_has_to_change(here):
    holds(here)
    here.want(kes__log__error="debug", minio__buckets=[{"name": "photos", "key": "own-key"}])
    protection.refuse(here.deployment)


def test_another_keystore_does_not_hold_the_keys(here):
    holds(here)
    here.spec = spec_of(VAULT.replace("name: vault", "name: fs"))
    error = refused(here)
    assert "'fs'" in error.what
    assert error.hint.endswith("or a new deployment beside it: kesdeploy up --kms vault -n fs2")


def test_another_default_key_opens_nothing(here):
    holds(here)
    here.want(key_name="other")
    error = refused(here)
    assert KEY in error.what
    assert "'other'" in error.what
    assert error.hint.startswith(f"kesdeploy up -n fs --key-name {KEY}")


@pytest.mark.parametrize(("there", "wanted"), [((), 4), (("d1", "d2", "d3", "d4"), 1), (("d1", "d2"), 3)])
def test_other_drives_would_start_empty(here, there, wanted):
    holds(here, *there)
    here.want(minio__drives=wanted)
    error = refused(here)
    assert f"on {len(there) or 1} drive(s), not on {wanted}" in error.what
    assert f"minio.drives={len(there) or 1}" in error.hint


@pytest.mark.parametrize("drives", [4])
def test_as_many_drives_as_before_are_fine(here, drives):
    holds(here, *(f"d{n}" for n in range(1, drives + 1)))
    here.want(minio__drives=drives)
    protection.refuse(here.deployment)


# --- what the disk tells


@pytest.mark.parametrize("drive", ["", "d3/"])
def test_minios_own_configuration_names_its_key(here, drive):
    here.home.write(f"minio/{drive}{protection.CONFIG}/xl.meta", CONFIG)
    assert protection.sealed_configuration(here.home) == ("k1", "eyJhZWFkIjoi")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keyid":"k1"}', b'"kmskey":"x"'])
def test_a_configuration_in_the_clear_names_none(here, content):
    assert protection.sealed_configuration(here.home) is None
    here.home.write(f"minio/{protection.CONFIG}/xl.meta", content)
    assert protection.sealed_configuration(here.home) is None

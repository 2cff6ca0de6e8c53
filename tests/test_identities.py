from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kesdeploy import identities, pki
from kesdeploy.home import Home

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path) -> Home:
    """One with a CA and both identities."""
    made = Home("fs", tmp_path / "minio-kes-fs")
    made.prepare()
    authority = pki.Authority.create("kesdeploy fs", NOW)
    made.write("ca/ca.key", authority.key_pem)
    made.write("ca/ca.crt", authority.cert_pem)
    for name in identities.NAMES:
        leaf = authority.issue(pki.LeafRequest(name, (), pki.Usage.CLIENT, key="ed25519"), NOW)
        made.write(f"secrets/{name}.key", leaf.key_pem)
        made.write(f"secrets/{name}.crt", leaf.cert_pem)
    return made


def who(home: Home, name: str) -> str:
    key, crt = (home.secret(f"{name}.{half}").read_bytes() for half in ("key", "crt"))
    assert pki.identity(key) == pki.identity(crt)
    return pki.identity(key)


def test_a_new_one_stands_beside_the_old_one(home):
    before = who(home, "minio")
    identities.replace(home, "minio", NOW)
    assert who(home, "minio.old") == before != who(home, "minio")
    assert pki.api_key_of(home.secret("minio.key").read_bytes()).startswith("kes:v1:")
    assert identities.retiring(home) == ("minio",)
    assert {path.stat().st_mode & 0o777 for path in home.path("secrets").iterdir()} == {0o600}


def test_retired_it_is_kept_until_it_was_seen_to_be_refused(home):
    before = who(home, "operator")
    identities.replace(home, "operator", NOW)
    identities.retire(home, "operator")
    assert identities.retiring(home) == ()
    ((name, pair),) = identities.gone(home)
    assert (name, pki.identity(pair[0].read_bytes())) == ("operator", before)
    identities.forget(home)
    assert identities.gone(home) == ()
    assert not [path for path in home.path("secrets").iterdir() if ".old." in path.name or ".gone." in path.name]


def test_forgetting_leaves_what_is_still_trusted(home):
    identities.replace(home, "minio", NOW)
    identities.forget(home)
    assert identities.retiring(home) == ("minio",)


@pytest.mark.parametrize("kept", ["crt", "key"])
def test_half_of_an_old_one_after_a_kill(home, kept):
    """Only the key decides: the certificate was written before it, and is moved before it."""
    identities.replace(home, "minio", NOW)
    home.secret(f"minio.old.{'key' if kept == 'crt' else 'crt'}").unlink()
    assert identities.retiring(home) == (() if kept == "crt" else ("minio",))
    identities.retire(home, "minio")
    assert identities.gone(home) == ()
    identities.forget(home)


def test_an_old_one_that_is_still_the_present_one(home):
    for half in ("crt", "key"):
        home.write(f"secrets/minio.old.{half}", home.read(f"secrets/minio.{half}"))
    assert identities.retiring(home) == ()
    identities.forget(home)
    assert not home.secret("minio.old.key").exists()
    assert who(home, "minio")


def test_everybody_that_we_ever_were_is_ours(home):
    ever = {who(home, name) for name in identities.NAMES}
    for _ in range(3):
        identities.replace(home, "minio", NOW)
        identities.retire(home, "minio")
        ever.add(who(home, "minio"))
    identities.forget(home)
    assert identities.ours(home) == ever
    assert len(ever) == 5

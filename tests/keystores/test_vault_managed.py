"""A Vault of our own, on a real OpenBao: from nothing, again, after a restart, and after every loss."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from bao import Bao

from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.keystores.startover import StartAgain, StartOver
from kesdeploy.keystores.vault import Vault, door, names, opening, setup

pytestmark = pytest.mark.openbao
VAULT = Vault()


@pytest.fixture
def put_back(bao):
    """The secrets as they were, after a test that loses some of them."""
    before = {path: path.read_bytes() for path in bao.home.path("secrets").iterdir()}
    yield bao
    for path in set(bao.home.path("secrets").iterdir()) - set(before):
        path.unlink()
    for path, data in before.items():
        path.write_bytes(data)


def secrets_of(bao):
    return {path.name: path.read_text() for path in bao.home.path("secrets").iterdir()}


def test_set_up_is_settled_and_a_second_time_changes_nothing(bao):
    assert VAULT.unsettled(bao.work) is None
    assert VAULT.state(bao.work) == "ok"
    before = secrets_of(bao)
    VAULT.bootstrap(bao.work)
    assert secrets_of(bao) == before
    assert bao.told.warnings == []


def test_every_secret_is_private_and_root_is_gone(bao):
    assert {path.stat().st_mode & 0o777 for path in bao.home.path("secrets").iterdir()} == {0o600}
    assert "root_token" not in json.loads(bao.home.read_secret(names.INIT))
    tokens = [
        bao.ask("POST", "auth/token/lookup-accessor", bao.master, {"accessor": accessor})["data"]
        for accessor in bao.ask("LIST", "auth/token/accessors", bao.master)["data"]["keys"]
    ]
    # The tests' own, and no other.
    assert [token["path"] for token in tokens if "root" in token["policies"]] == ["auth/token/create"]


def test_kes_may_use_its_own_keys_and_nothing_else(bao):
    kes = door.as_kes(bao.work, door.stored(bao.work))
    mine, other = "kv/data/demo/key", "kv/data/demo2/key"
    granted = kes.capabilities(
        [mine, other, "kv/metadata/demo/", "kv/metadata/demo/key", "sys/mounts", "sys/policy/kes"]
    )
    assert set(granted[mine]) == {"create", "read"}
    assert set(granted["kv/metadata/demo/"]) == {"list", "delete"}
    assert [granted[path] for path in (other, "sys/mounts", "sys/policy/kes")] == [("deny",)] * 3


def test_kes_token_is_periodic_and_its_secret_id_has_no_end(bao):
    role = bao.ask("GET", "auth/approle/role/kes", bao.master)["data"]
    assert (role["token_period"], role["secret_id_ttl"], role["secret_id_num_uses"], role["token_num_uses"]) == (
        300,
        0,
        0,
        0,
    )


def test_the_operator_reads_no_key(bao):
    operator = door.vault(bao.work)
    operator.login_approle(bao.home.read_secret(names.OPERATOR_ID), bao.home.read_secret(names.OPERATOR_SECRET))
    paths = ["kv/data/demo/key", "sys/policy/kesdeploy", "auth/approle/role/kesdeploy"]
    assert list(operator.capabilities(paths).values()) == [("deny",), ("deny",), ("read",)]


def test_after_a_restart_it_is_open_again(bao):
    bao.restart()
    if names.fields(bao.spec).static:
        opening.opened(bao.work, door.vault(bao.work))
        assert VAULT.unsettled(bao.work) is None
    else:
        assert VAULT.state(bao.work) == "SEALED"
        assert VAULT.unsettled(bao.work) == "it is sealed"
    VAULT.bootstrap(bao.work)
    assert (VAULT.state(bao.work), VAULT.unsettled(bao.work)) == ("ok", None)


def test_down_is_told_quickly(bao):
    bao.stop()
    assert VAULT.state(bao.work) == "UNREACHABLE"
    assert "connection refused" in VAULT.unsettled(bao.work)


@pytest.mark.parametrize("damage", ["policy", "role", "secret id"])
def test_what_was_damaged_is_mended(put_back, damage):
    bao = put_back
    if damage == "policy":
        bao.ask("PUT", "sys/policy/kes", bao.master, {"policy": 'path "x" { capabilities = ["read"] }'})
    elif damage == "role":
        bao.ask("DELETE", "auth/approle/role/kes", bao.master)
    else:
        bao.home.write_secret(names.SECRET_ID, "nonsense")
    assert (damage == "policy") == (VAULT.state(bao.work) == "ok")
    VAULT.bootstrap(bao.work)
    assert VAULT.state(bao.work) == "ok"
    setup.check_rights(bao.work, door.as_kes(bao.work, door.stored(bao.work)), "v2")
    assert bao.told.warnings == []


def test_without_the_operator_kes_goes_on_and_the_user_is_told(put_back):
    bao = put_back
    bao.home.secret(names.OPERATOR_SECRET).unlink()
    VAULT.bootstrap(bao.work)
    assert VAULT.state(bao.work) == "ok"
    assert "vault-operator" in bao.told.warnings[0]


@pytest.mark.parametrize(
    "trace", ["secrets/fingerprint-k.json", "minio/.minio.sys/config", "minio/d1/.minio.sys/config"]
)
def test_without_any_login_it_is_made_again_only_while_nothing_depends_on_it(put_back, trace):
    bao = put_back
    for name in (names.OPERATOR_SECRET, names.SECRET_ID):
        bao.home.secret(name).unlink()
    with pytest.raises(StartOver) as signal:
        VAULT.bootstrap(bao.work)
    assert (signal.value.container, signal.value.folder) == ("container/vault", "vault")
    bao.home.write(trace, b"")
    with pytest.raises(DataProtected, match="cannot be read without it"):
        VAULT.bootstrap(bao.work)
    shutil.rmtree(bao.home.path("minio"), ignore_errors=True)


def test_the_seal_is_not_changed_under_data(put_back):
    bao, before = put_back, put_back.spec
    bao.respec("seal: shares" if names.fields(before).static else "seal: static")
    with pytest.raises(UsageError, match="cannot become"):
        VAULT.preflight(bao.work)
    bao.spec = before
    VAULT.preflight(bao.work)


@pytest.mark.parametrize("shared", ["shares"], indirect=True)
def test_lost_unseal_keys(put_back):
    bao = put_back
    bao.home.secret(names.INIT).unlink()
    bao.restart()
    with pytest.raises(StartOver, match="unseal keys are gone"):
        VAULT.bootstrap(bao.work)
    bao.home.write("secrets/fingerprint-k.json", b"")
    with pytest.raises(DataProtected):
        VAULT.bootstrap(bao.work)


@pytest.mark.parametrize("shared", ["static"], indirect=True)
def test_another_seal_key(put_back, monkeypatch):
    bao = put_back
    monkeypatch.setattr(opening, "UNSEALS_ITSELF", 1.0)
    bao.home.write_secret(names.SEAL_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    bao.restart()
    with pytest.raises(StartAgain) as stuck:
        VAULT.bootstrap(bao.work)
    assert isinstance(stuck.value.otherwise, StartOver)
    assert "does not unseal itself" in stuck.value.otherwise.what
    bao.home.write("secrets/fingerprint-k.json", b"")
    with pytest.raises(StartAgain) as stuck:
        VAULT.bootstrap(bao.work)
    assert isinstance(stuck.value.otherwise, DataProtected)
    assert "cannot be read without it" in stuck.value.otherwise.what
    bao.stop()


def test_an_empty_vault_under_data_is_not_initialised(fresh):
    bao = fresh()
    bao.home.write("secrets/fingerprint-k.json", b"")
    with pytest.raises(DataProtected, match="an empty one is in its place"):
        VAULT.bootstrap(bao.work)
    assert VAULT.state(bao.work) == "UNINITIALISED"


def test_bootstrap_of_what_never_answers(tmp_path):
    bao = Bao(tmp_path)
    bao.write()
    work = dataclasses.replace(bao.work, timeout=0.2)
    with pytest.raises(ServiceError, match="does not tell its health"):
        VAULT.bootstrap(work)

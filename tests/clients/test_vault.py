"""The Vault client on a real OpenBao: from nothing to a login of KES, and every way to be refused."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kesdeploy.clients.vault import InitKeys, Vault
from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.openbao

CONFIG = """
storage "raft" {{ path = "{data}" node_id = "one" performance_multiplier = 1 }}
listener "tcp" {{ address = "127.0.0.1:{port}" tls_cert_file = "{cert}" tls_key_file = "{key}" }}
api_addr = "https://127.0.0.1:{port}"
cluster_addr = "https://127.0.0.1:{cluster}"
{seal}
"""
STATIC = 'seal "static" {{ current_key_id = "one" current_key = "file://{file}" }}'
POLICY = (
    'path "kv/data/fs/*" { capabilities = ["create", "read"] }\npath "kv/metadata/fs/*" { capabilities = ["list"] }\n'
)


@dataclass(frozen=True)
class Running:
    """An OpenBao of ours, and its process."""

    address: str
    ca: Path
    process: subprocess.Popen[bytes]

    def client(self, **options) -> Vault:
        return Vault(self.address, **{"ca": self.ca, **options})


def start(bao: str, world, folder: Path, *, static: bool = False) -> Running:
    port, cluster = _free_ports()
    (folder / "data").mkdir(parents=True)
    seal = ""
    if static:
        (folder / "unseal.key").write_bytes(secrets.token_bytes(32))
        seal = STATIC.format(file=folder / "unseal.key")
    files = {"data": folder / "data", "cert": world.file("server.crt"), "key": world.file("server.key")}
    (folder / "bao.hcl").write_text(CONFIG.format(**files, port=port, cluster=cluster, seal=seal))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([bao, "server", "-config", folder / "bao.hcl"], stdout=log, stderr=log)
    running = Running(f"https://127.0.0.1:{port}", world.ca, process)
    try:
        wait_until(running.client().health, timeout=20)
    except ServiceError:
        stop(running)
        pytest.fail((folder / "log").read_text()[-2000:])
    return running


def stop(running: Running) -> None:
    running.process.kill()
    running.process.wait(10)


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


@dataclass(frozen=True)
class Ready:
    """An OpenBao that is unsealed, with a KV v2 engine, a policy and a role `kes`."""

    running: Running
    keys: InitKeys
    role_id: str
    secret_id: str

    @property
    def root(self) -> Vault:
        return self.running.client(token=self.keys.root_token)


@pytest.fixture(scope="module")
def ready(bao, world, tmp_path_factory):
    """One bootstrap for the whole module: it takes seconds. The steps are asserted where they happen."""
    running = start(bao, world, tmp_path_factory.mktemp("bao"))
    try:
        yield bootstrap(running)
    finally:
        stop(running)


def bootstrap(running: Running) -> Ready:
    vault = running.client()
    assert (vault.health().initialized, vault.health().sealed) == (False, True)
    keys = vault.init(shares=3, threshold=2)
    assert len(keys.keys) == 3
    assert vault.health().initialized
    assert not vault.unseal(keys.keys[:1])
    assert vault.unseal(keys.keys[1:])
    wait_until(lambda: _active(vault), timeout=20)
    root = running.client(token=keys.root_token)
    assert root.ensure_kv("kv") == "v2"
    assert root.ensure_kv("old", "v1") == "v1"
    root.write_policy("kes", POLICY)
    for _ in range(2):
        root.ensure_approle()
        root.ensure_role("kes", ["kes"])
    return Ready(running, keys, root.role("kes").id(), root.role("kes").new_secret_id().value)


def _active(vault: Vault) -> None:
    if vault.health().standby:
        raise ServiceError("not active yet")


def test_health_of_an_open_vault(ready):
    health = ready.running.client().health()
    assert (health.initialized, health.sealed, health.standby) == (True, False, False)
    assert health.version[0].isdigit()


def test_the_login_of_kes_has_a_periodic_token(ready):
    vault = ready.running.client()
    login = vault.login_approle(ready.role_id, ready.secret_id)
    assert (login.policies, login.ttl, login.renewable) == (("default", "kes"), 300, True)
    assert vault.token_lookup_self().period == 300


def test_a_secret_id_serves_many_logins(ready):
    for _ in range(3):
        ready.running.client().login_approle(ready.role_id, ready.secret_id)


def test_another_secret_id_leaves_the_first_one_good(ready):
    another = ready.root.role("kes").new_secret_id().value
    assert another != ready.secret_id
    for secret_id in (another, ready.secret_id):
        ready.running.client().login_approle(ready.role_id, secret_id)


def test_what_the_policy_allows_and_what_not(ready):
    vault = ready.running.client()
    vault.login_approle(ready.role_id, ready.secret_id)
    found = vault.capabilities(["kv/data/fs/key", "kv/data/other/key", "sys/mounts"])
    assert found == {"kv/data/fs/key": ("create", "read"), "kv/data/other/key": ("deny",), "sys/mounts": ("deny",)}
    assert vault.capabilities(["kv/metadata/fs/"]) == {"kv/metadata/fs/": ("list",)}


def test_the_version_of_a_mount_shows_to_whoever_may_use_it(ready):
    vault = ready.running.client()
    vault.login_approle(ready.role_id, ready.secret_id)
    assert vault.kv_version("kv") == "v2"
    assert ready.root.kv_version("old") == "v1"
    with pytest.raises(ServiceError) as caught:
        vault.kv_version("old")
    assert caught.value.status == 403
    assert 'grant access to path "old/"' in caught.value.because


def test_a_new_mount_takes_a_key_at_once(ready):
    """HashiCorp Vault is known to refuse for a moment after mounting v2; KES would see a failed create."""
    ready.root.ensure_kv("fresh")
    answer = ready.root._door.post("/v1/fresh/data/key", json={"data": {"key": "x"}, "options": {"cas": 0}})
    assert answer.status_code == 200, answer.text


def test_a_mount_that_is_there_stays_as_it_is(ready):
    assert ready.root.ensure_kv("kv", "v1") == "v2"
    with pytest.raises(ServiceError, match="no key-value engine"):
        ready.root.ensure_kv("sys")


def test_a_revoked_token_is_worthless(ready):
    vault = ready.running.client()
    vault.login_approle(ready.role_id, ready.secret_id)
    vault.revoke_self()
    with pytest.raises(ServiceError) as caught:
        vault.token_lookup_self()
    assert caught.value.status == 403


def test_init_happens_once(ready):
    with pytest.raises(ServiceError) as caught:
        ready.running.client().init()
    assert caught.value.status == 400
    assert "already initialized" in caught.value.because


@pytest.mark.parametrize("which", ["role", "secret"])
def test_a_login_with_wrong_credentials_in_vaults_own_words(ready, which):
    given = {"role": ("wrong-role", ready.secret_id), "secret": (ready.role_id, "wrong-secret")}[which]
    with pytest.raises(ServiceError) as caught:
        ready.running.client().login_approle(*given)
    assert caught.value.status == 400
    assert caught.value.because.startswith("invalid role")
    assert ready.secret_id not in str(caught.value) + caught.value.because


def test_without_a_token_everything_is_denied(ready):
    anonymous = ready.running.client()
    for refused in (
        lambda: anonymous.ensure_kv("kv"),
        lambda: anonymous.write_policy("kes", POLICY),
        anonymous.token_lookup_self,
    ):
        with pytest.raises(ServiceError) as caught:
            refused()
        assert caught.value.status in (400, 403)
        assert "permission denied" in caught.value.because or "missing client token" in caught.value.because


def test_a_policy_that_vault_cannot_read(ready):
    with pytest.raises(ServiceError, match="does not take the policy") as caught:
        ready.root.write_policy("broken", 'path "x" {')
    assert caught.value.status == 400
    assert "parse" in caught.value.because


def test_a_role_that_is_not_there(ready):
    with pytest.raises(ServiceError) as caught:
        ready.root.role("nobody").id()
    assert caught.value.status == 404


def test_a_namespace_of_its_own(ready):
    ready.root._door.post("/v1/sys/namespaces/team")
    team = ready.running.client(token=ready.keys.root_token, namespace="team")
    assert team.ensure_kv("kv", "v1") == "v1"
    assert team.health().initialized
    team.write_policy("kes", POLICY.replace("kv/data", "kv"))
    team.ensure_approle()
    team.ensure_role("kes", ["kes"])
    login = ready.running.client(namespace="team")
    login.login_approle(team.role("kes").id(), team.role("kes").new_secret_id().value)
    assert login.capabilities(["kv/fs/key"]) == {"kv/fs/key": ("create", "read")}
    with pytest.raises(ServiceError, match="AppRole"):
        ready.running.client().login_approle(team.role("kes").id(), team.role("kes").new_secret_id().value)
    mixed = ready.running.client(namespace="team")
    mixed.login_approle(ready.role_id, ready.secret_id, namespace="/")
    assert mixed.address == ready.running.address


def test_another_ca_is_not_trusted(ready, make_world):
    with pytest.raises(ServiceError) as caught:
        ready.running.client(ca=make_world().ca).health()
    assert (caught.value.status, "certificate is refused" in caught.value.because) == (0, True), caught.value.because


def test_the_environment_is_not_asked(ready, monkeypatch):
    for name in ("VAULT_ADDR", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_TOKEN", ready.keys.root_token)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
    assert ready.running.client().health().initialized
    with pytest.raises(ServiceError):
        ready.running.client().token_lookup_self()


def test_secrets_stay_out_of_reprs(ready):
    secret = (ready.keys.root_token, *ready.keys.keys)
    assert not any(each in repr(ready.keys) + repr(ready.root) for each in secret)


def test_a_seal_that_opens_by_itself(bao, world, tmp_path):
    running = start(bao, world, tmp_path / "static", static=True)
    try:
        vault = running.client()
        keys = vault.init(recovery=True)
        assert (len(keys.keys), bool(keys.root_token)) == (1, True)
        wait_until(lambda: _active(vault), timeout=20)
        assert not vault.health().sealed
        assert running.client(token=keys.root_token).ensure_kv("kv") == "v2"
    finally:
        stop(running)


def test_a_sealed_vault_says_so(bao, world, tmp_path):
    running = start(bao, world, tmp_path / "sealed")
    try:
        keys = running.client().init()
        with pytest.raises(ServiceError) as caught:
            running.client(token=keys.root_token).ensure_kv("kv")
        assert caught.value.status == 503
        assert "sealed" in caught.value.because
        with pytest.raises(ServiceError, match="cannot be unsealed"):
            running.client().unseal(["bm90IGEga2V5"])
    finally:
        stop(running)

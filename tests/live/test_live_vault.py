"""The real KES and MinIO (and the stand-ins) with keys in somebody else's Vault: a real OpenBao."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bao import Bao
from clouds.elsewhere import own_address
from commandline import RELEASE, engine_holds, inspect, podman
from load import assert_readable
from load import load as under_load
from objects import Objects
from vault_user import User

from kesdeploy import services
from kesdeploy.clients.vault import Vault as Client
from kesdeploy.errors import ServiceError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS
from kesdeploy.keystores.vault import Vault, door, opening
from kesdeploy.keystores.vault.policy import kes_policy
from kesdeploy.spec import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from commandline import Cli
    from fault_table import Recorder

    from kesdeploy.clients.kes import Kes

pytestmark = [
    pytest.mark.engine,
    pytest.mark.openbao,
    pytest.mark.parametrize("cli", ["sandbox", RELEASE], indirect=True),
]


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """One that containers reach, with namespaces and engines of both versions."""
    bao = Bao(tmp_path_factory.mktemp("bao"), host=own_address()).start()
    opening.opened(bao.work, door.vault(bao.work))
    bao.master = bao.another_root()
    Vault().bootstrap(bao.work)
    bao.ask("PUT", "sys/namespaces/team", bao.master, {})
    yield bao
    bao.stop()


@pytest.fixture
def user(bao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    return User(bao, tmp_path, monkeypatch)


def kes(cli: Cli) -> Kes:
    return services.kes(load(cli.read("kesdeploy.yaml"), {}, FIELDS), Home(cli.name, cli.folder))


def forget(cli: Cli) -> None:
    """Have KES log in again and read its keys anew."""
    assert all(check["ok"] for check in cli("verify", "--restart", "--json").data["checks"])


def flags(cli: Cli, user: User, address: str, *settings: str) -> tuple[str, ...]:
    known = (f"address={address}", f"ca={user.folder}/ca.pem", *settings)
    sets = [f"--set=keystore.vault.{setting}" for setting in known]
    return ("--kms", "vault", *sets, "--images", cli.images, "--yes", "--timeout", "30s", *cli.ports)


def granted(cli: Cli, user: User, *settings: str) -> tuple[str, ...]:
    """The settings of an AppRole, made by what `kesdeploy policy` prints."""
    sets = [f"--set=keystore.vault.{setting}" for setting in (f"address={user.bao.outer}", *settings)]
    user.paste(cli("policy", "vault", *sets).out)
    return (f"approle.id=@{user.folder}/kes-role-id", f"approle.secret=@{user.folder}/kes-secret-id")


def test_version_1_and_an_approle_to_destroy(cli: Cli, user: User) -> None:
    where = ("engine=old", "version=v1", "prefix=")
    login = granted(cli, user, *where)
    # The version is asked of Vault.
    first = cli("up", *flags(cli, user, user.bao.outer, "engine=old", "prefix=", *login), "--bucket", "photos")
    assert "proven" in first.out
    key = load(cli.read("kesdeploy.yaml"), {}, FIELDS).key_name
    assert key.startswith(f"minio-{cli.name}-")
    assert user.admin("GET", f"old/{key}")["data"][key]
    objects = Objects.of(cli)
    objects.put_some()
    assert cli("status", "--json").data["keystore"] == {"kind": "vault", "state": "ok"}
    assert cli.again().changes == []

    # A new secret id, and the old one destroyed.
    role = "auth/approle/role/kes-old"
    old = (user.folder / "kes-secret-id").read_text().strip()
    (user.folder / "kes-secret-id").write_text(user.admin("POST", f"{role}/secret-id", {})["data"]["secret_id"])
    user.admin("POST", f"{role}/secret-id/destroy", {"secret_id": old})
    assert cli("status", "--json", expect=7).data["keystore"]["state"] == "DENIED"
    assert ("reload", "container/kes-server") in cli.again().changes
    forget(cli)
    objects.assert_intact()

    seen = str(inspect(cli.container("kes-server"))) + podman("logs", cli.container("kes-server")) + first.out
    assert old not in seen
    cli("destroy", "--yes")
    assert user.admin("GET", f"old/{key}")["data"][key], "destroy removed the key in Vault"


def test_kes_token_revoked_and_the_vault_sealed(cli: Cli, user: User, fault: Recorder) -> None:
    login = granted(cli, user, f"prefix=minio/{cli.name}")
    cli("up", *flags(cli, user, user.bao.outer, f"prefix=minio/{cli.name}", *login))
    objects = Objects.of(cli)
    objects.put_some()
    role = next(name for name in user.admin("LIST", "auth/approle/role")["data"]["keys"] if cli.name in name)
    for accessor in user.admin("LIST", "auth/token/accessors")["data"]["keys"]:
        told = user.admin("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
        if (told.get("meta") or {}).get("role_name") == role:
            user.admin("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    cli.again()
    forget(cli)
    what, seen = "KES's token is revoked", "KES logs in again"
    fault(what, "your own Vault, while all runs", seen=seen, repair="`up`", objects=objects, images=cli.images)

    user.admin("PUT", "sys/seal")
    status = cli("status", "--json", expect=7).data["keystore"]["state"]
    user.bao.restart()
    cli.again()
    forget(cli)
    what, seen = "your own Vault is sealed", f"`status`: {status}, exit 7"
    repair = "unseal it, then `up`"
    fault(what, "while all runs", seen=seen, repair=repair, objects=objects, images=cli.images)


@pytest.mark.parametrize("secret", ["${HOME}", "${NOWHERE}"])
def test_a_secret_id_that_looks_like_a_variable(cli: Cli, user: User, secret: str) -> None:
    """KES would put its own environment's in its place, or end because there is none."""
    where = ("engine=kv", f"prefix=minio/{cli.name}")
    login = granted(cli, user, *where)
    (role,) = (name for name in user.admin("LIST", "auth/approle/role")["data"]["keys"] if cli.name in name)
    user.admin("POST", f"auth/approle/role/{role}/custom-secret-id", {"secret_id": secret})
    (user.folder / "kes-secret-id").write_text(f"{secret}\n")
    assert "proven" in cli("up", *flags(cli, user, user.bao.outer, *where, *login)).out
    assert secret not in cli.read("config/kes/kes-config.yaml")
    forget(cli)


def test_a_secret_id_that_kesdeploy_made_is_made_anew_with_the_users_token(cli: Cli, user: User) -> None:
    token = {"VAULT_TOKEN": user.bao.master}
    cli("up", *flags(cli, user, user.bao.outer), env=token)
    role_id, old = (cli.read(f"secrets/vault-approle-{half}") for half in ("id", "secret"))
    refused = cli("rotate-credentials", "--vault", expect=6)
    assert "VAULT_TOKEN=" in refused.error[-1]
    assert "secret-id/destroy" in refused.error[-1]
    assert cli.read("secrets/vault-approle-secret") == old
    with under_load(cli) as found:
        done = cli("rotate-credentials", "--vault", "--json", env=token)
    assert found.errors == []
    assert done.data["restarted"] == []
    assert token["VAULT_TOKEN"] not in done.out + done.err
    vault = Client(user.bao.address, ca=user.folder / "ca.pem")
    with pytest.raises(ServiceError, match="refuses the AppRole's login"):
        vault.login_approle(role_id, old)
    vault.login_approle(role_id, cli.read("secrets/vault-approle-secret"))
    forget(cli)
    assert_readable(cli, found.written)


def test_namespace_transit_and_a_client_certificate(cli: Cli, user: User) -> None:
    where = ("namespace=team", "approle.namespace=/", f"transit.key={cli.name}", f"prefix=minio/{cli.name}")
    login = granted(cli, user, *where)
    user.pair()
    pair = (f"tls.cert={user.folder}/client.pem", f"tls.key={user.folder}/client.key")
    assert "proven" in cli("up", *flags(cli, user, user.bao.mutual, *where, *login, *pair)).out
    key = load(cli.read("kesdeploy.yaml"), {}, FIELDS).key_name
    entry = f"kv/data/minio/{cli.name}/{key}"
    stored = user.admin("GET", entry, namespace="team")["data"]["data"][key]
    assert stored.startswith("vault:v1:")
    objects = Objects.of(cli)
    objects.put_some()
    assert cli.again().changes == []

    # Of an entry that somebody overwrites, KES goes on reading the first version.
    user.admin("POST", entry, {"data": {key: "nonsense"}}, "team")
    forget(cli)
    objects.assert_intact()

    # A rotated transit key opens what is there, and nothing new can be made.
    user.admin("POST", f"transit/keys/{cli.name}/rotate", {}, "team")
    assert cli("status", "--json", expect=7).data["keystore"]["state"].startswith("ROTATED")
    forget(cli)
    objects.assert_intact()
    with pytest.raises(ServiceError, match="does not create") as refused:
        kes(cli).create_key("another")
    assert refused.value.status == 502
    cli("down")
    warned = cli("up", "--yes", "--json").json
    assert any("was rotated" in problem["message"] for problem in warned["problems"])
    assert warned["ok"]


def test_a_kubernetes_service_account(cli: Cli, user: User) -> None:
    cluster = user.cluster()
    try:
        spec = load(f"name: {cli.name}\nkeystore: {{vault: {{address: '{user.bao.outer}'}}}}", {}, FIELDS)
        user.admin("PUT", "sys/policy/theirs", {"policy": kes_policy(spec, "v2")})
        user.service_account(cluster, seconds=90 * 86400)
        settings = ("kubernetes.role=kes", f"kubernetes.jwt=@{user.folder}/jwt")
        assert "proven" in cli("up", *flags(cli, user, user.bao.outer, *settings)).out
        objects = Objects.of(cli)
        objects.put_some()
        before = (user.folder / "jwt").read_text().strip()
        assert before not in cli.read("config/kes/kes-config.yaml") + podman("logs", cli.container("kes-server"))

        # A new token, and the old one is worth nothing any more.
        cluster.valid.clear()
        user.service_account(cluster, seconds=91 * 86400)
        assert ("reload", "container/kes-server") in cli.again().changes
        forget(cli)
        objects.assert_intact()
    finally:
        cluster.stop()


def test_what_is_wrong_starts_nothing(cli: Cli, user: User) -> None:
    login = granted(cli, user)
    (user.folder / "kes-secret-id").write_text("hunter2")
    refused = cli("up", *flags(cli, user, user.bao.outer, *login), expect=6)
    assert "invalid role or secret ID" in refused.err
    assert "hunter2" not in refused.err
    assert "client certificate" in cli("up", *flags(cli, user, user.bao.mutual, *login), expect=6).err
    assert engine_holds(cli.name) == []

    sets = [flag for flag in flags(cli, user, user.bao.outer, *login) if flag.startswith("--set")]
    assert "invalid role or secret ID" in cli("policy", "vault", "--prove", *sets, expect=6).err
    assert not cli.folder.exists()


def test_a_policy_is_proven_with_a_key_that_is_thrown_away(cli: Cli, user: User) -> None:
    """`policy` does not know the images of a deployment that is not there."""
    images = f"--set=images.source={cli.images}"
    login = granted(cli, user)
    sets = [flag for flag in flags(cli, user, user.bao.outer, *login) if flag.startswith("--set")]
    run = cli("policy", "vault", "--prove", images, *sets, "--json")
    proof, keys = run.data["proof"], f"kv/metadata/{cli.name}"
    assert proof["removed"], proof
    assert proof["key"].startswith(f"minio-{cli.name}-kesdeploy-probe-")
    with pytest.raises(AssertionError, match="404"):  # of an empty folder there is none
        user.admin("LIST", keys)

    (role,) = (name for name in user.admin("LIST", "auth/approle/role")["data"]["keys"] if cli.name in name)
    whole = user.admin("GET", f"sys/policies/acl/{role}")["data"]["policy"]
    user.admin("PUT", f"sys/policies/acl/{role}", {"policy": whole.replace('"create", ', "")})
    refused = cli("policy", "vault", "--prove", images, *sets, expect=6)
    assert "lacks create on kv/data/" in refused.err
    assert [path.name for path in cli.home.glob("minio-kes-*")] == [user.home.root.name]

"""A Vault that somebody else runs, as a real OpenBao: every way in which it can be unfit, and the user's token."""

from __future__ import annotations

import pytest
from bao import NOW
from vault_user import good, refused

from kesdeploy import pki
from kesdeploy.errors import CertificateError, ServiceError, UsageError
from kesdeploy.keystores.vault import Vault, door, names
from kesdeploy.keystores.vault.policy import kes_policy

pytestmark = [pytest.mark.openbao, pytest.mark.parametrize("shared", ["shares"], indirect=True)]
VAULT = Vault()


def test_a_fit_vault_passes_and_leaves_nothing(user):
    fields = good(user)
    tokens = len(user.admin("LIST", "auth/token/accessors")["data"]["keys"])
    VAULT.preflight(user.work(fields))
    assert len(user.admin("LIST", "auth/token/accessors")["data"]["keys"]) == tokens
    assert user.told.warnings == []


def test_bootstrap_keeps_what_kes_is_told(user):
    work = user.work(good(user))
    assert VAULT.unsettled(work) == "KES has no login to Vault yet"
    VAULT.bootstrap(work)
    assert user.home.read_secret(names.KV_VERSION) == "v2"
    assert door.stored(work).role_id
    assert (VAULT.unsettled(work), VAULT.state(work)) == (None, "ok")
    # The Vault's owner takes it back.
    user.admin("DELETE", "auth/approle/role/theirs")
    assert VAULT.state(work) == "DENIED"


def test_version_1_is_detected(user):
    user.admin("POST", "sys/mounts/old", {"type": "kv", "options": {"version": "1"}})
    try:
        work = user.work(good(user, "engine: old", "v1"))
        VAULT.bootstrap(work)
        assert user.home.read_secret(names.KV_VERSION) == "v1"
        assert "spec says v2" in refused(user, good(user, "engine: old, version: v2", "v1")).what
    finally:
        user.admin("DELETE", "sys/mounts/old")


def test_sealed(user):
    fields = good(user)
    user.admin("PUT", "sys/seal")
    error = refused(user, fields)
    assert "is sealed" in error.what
    assert "unseal" in error.hint
    assert VAULT.state(user.work(fields)) == "SEALED"


def test_not_initialised(user, fresh):
    fields, empty = good(user), fresh()
    (user.folder / "ca.pem").write_bytes(empty.home.ca_cert.read_bytes())
    assert "not initialised" in refused(user, fields, address=empty.address).what


def test_down(user):
    fields = good(user)
    user.bao.stop()
    error = refused(user, fields)
    assert (error.status, "connection refused" in error.because) == (0, True)
    assert "curl" in error.hint


def test_wrong_secret_id(user):
    fields = good(user)
    (user.folder / "secret-id").write_text("00000000-0000-0000-0000-000000000000")
    error = refused(user, fields)
    assert (error.status, error.because) == (400, "invalid role or secret ID")
    assert "secret-id" in error.hint
    assert "00000000" not in f"{error.what}{error.because}{error.hint}"


def test_to_look_on_and_on_locks_nobody_out(user):
    fields = good(user)
    user.locks_out()
    work, right = user.work(fields), (user.folder / "secret-id").read_text()
    Vault().bootstrap(work)
    assert Vault().state(work) == "ok"
    user.home.write_secret(names.SECRET_ID, "00000000-0000-0000-0000-000000000000")
    assert [Vault().state(work) for _ in range(10)] == ["DENIED"] * 10
    user.home.write_secret(names.SECRET_ID, right)
    assert Vault().state(work) == "ok"


def test_a_role_that_is_locked_is_told(user):
    fields = good(user)
    user.locks_out()
    right = (user.folder / "secret-id").read_text()
    for _ in range(5):
        (user.folder / "secret-id").write_text("00000000-0000-0000-0000-000000000000")
        refused(user, fields)
    (user.folder / "secret-id").write_text(right)
    error = refused(user, fields)
    assert (error.status, error.because) == (403, "permission denied")
    assert "vault read sys/locked-users" in error.hint


def test_a_token_that_is_used_up_after_some_requests(user):
    """As Vault's own tutorial has it. KES notices nothing: it logs in anew only when a token's time is over."""
    fields = good(user)
    user.admin("POST", "auth/approle/role/theirs", {"token_policies": ["theirs"], "token_num_uses": 10})
    try:
        error = refused(user, fields)
    finally:
        user.admin("POST", "auth/approle/role/theirs", {"token_policies": ["theirs"], "token_num_uses": 0})
    assert "used up after 10 requests" in error.what
    assert error.hint == "vault write auth/approle/role/theirs token_num_uses=0"
    Vault().preflight(user.work(fields))


def test_no_approle_there(user):
    fields = good(user).replace("approle: {", "approle: {engine: elsewhere, ")
    error = refused(user, fields)
    assert "permission denied" in error.because
    assert "'elsewhere'" in error.hint


def test_missing_mount(user):
    error = refused(user, good(user, "engine: nowhere"))
    assert "no engine 'nowhere'" in error.what
    assert "preflight capability check returned 403" in error.because
    assert "vault secrets enable -path=nowhere -version=2 kv" in error.hint


@pytest.mark.parametrize("rights", ['["read"]', '["create"]', '["list"]'])
def test_too_few_rights_show_the_policy(user, rights):
    error = refused(user, user.approle(f'path "kv/data/mine/*" {{ capabilities = {rights} }}'))
    assert "on kv/data/mine/minio-backend-default-key" in error.because
    assert kes_policy(user.work().spec, "v2") in error.hint


def test_rights_elsewhere_are_no_rights(user):
    assert (
        "create, read on kv/data/mine/"
        in refused(user, user.approle('path "kv/data/other/*" {capabilities=["create","read"]}')).because
    )


def test_without_list_and_delete_it_only_warns(user):
    VAULT.preflight(user.work(user.approle('path "kv/data/mine/*" { capabilities = ["create", "read"] }')))
    assert (
        "lacks delete on kv/metadata/mine/minio-backend-default-key; list on kv/metadata/mine/" in user.told.warnings[0]
    )


def test_the_shown_policy_is_enough(user):
    fields = user.approle('path "kv/data/mine/*" { capabilities = ["read"] }')
    hint = refused(user, fields).hint
    text = hint.partition("<<'EOF'\n")[2].removesuffix("EOF")
    user.admin("PUT", "sys/policy/theirs", {"policy": text})
    VAULT.preflight(user.work(fields))
    assert user.told.warnings == []


def test_another_ca(user):
    (user.folder / "ca.pem").write_bytes(pki.Authority.create("stranger", NOW).cert_pem)
    error = refused(user, good(user))
    assert "certificate" in error.because
    assert "keystore.vault.ca" in error.hint


def test_another_name(user):
    """The same server by a name that its certificate does not have."""
    error = refused(user, good(user), address=user.bao.address.replace("127.0.0.1", "127.1"))
    assert "127.1" in error.because
    assert "a name in its certificate" in error.hint


@pytest.mark.parametrize("content", [None, "no PEM"])
def test_a_ca_that_cannot_be_read(user, content):
    fields = good(user)
    (user.folder / "ca.pem").unlink()
    if content:
        (user.folder / "ca.pem").write_text(content)
    with pytest.raises(CertificateError, match="cannot be read"):
        VAULT.preflight(user.work(fields))
    assert VAULT.state(user.work(fields)) == "UNREACHABLE"


def test_namespaces(user):
    user.admin("PUT", "sys/namespaces/team", {})
    user.admin("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, "team")
    policy = kes_policy(user.work().spec, "v2")
    fields = f"namespace: team, {user.approle(policy, 'team')}"
    VAULT.preflight(user.work(fields))
    VAULT.bootstrap(user.work(fields))
    assert VAULT.state(user.work(fields)) == "ok"
    wrong = refused(user, fields.replace("namespace: team", "namespace: nobody"))
    assert "namespace not found" in wrong.because
    assert "'nobody'" in wrong.hint


def test_neither_login_nor_token(user, monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN", raising=False)
    with pytest.raises(UsageError, match="no login") as found:
        VAULT.preflight(user.work())
    assert "VAULT_TOKEN" in found.value.hint


def test_a_token_sets_everything_up_and_is_not_kept(user, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", user.bao.master)
    fields = "engine: team-kv, prefix: minio/mine"
    VAULT.preflight(user.work(fields))
    VAULT.bootstrap(user.work(fields))
    monkeypatch.delenv("VAULT_TOKEN")
    assert (VAULT.unsettled(user.work(fields)), VAULT.state(user.work(fields))) == (None, "ok")
    VAULT.preflight(user.work(fields))
    kept = b"".join(path.read_bytes() for path in user.home.root.rglob("*") if path.is_file())
    assert user.bao.master.encode() not in kept
    assert "kes-team-kv-minio-mine" in user.told.notes[0]
    assert user.told.warnings == []


def test_a_bad_token(user, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "s.nonsense")
    error = refused(user, "")
    assert "refuses the token" in error.what
    assert "nonsense" not in f"{error.because}{error.hint}"


def test_another_engine_is_asked_for_its_version(user):
    user.admin("POST", "sys/mounts/first", {"type": "kv", "options": {"version": "1"}})
    try:
        work = user.work(good(user, "engine: first", "v1"))
        VAULT.bootstrap(work)
        assert VAULT.unsettled(work) is None
        assert "no atomic creation" in user.told.notes[0]
        work = user.work(good(user))
        assert VAULT.unsettled(work) == "it is another engine of Vault now"
        VAULT.bootstrap(work)
        assert (user.home.read_secret(names.KV_VERSION), VAULT.unsettled(work)) == ("v2", None)
    finally:
        user.admin("DELETE", "sys/mounts/first")


def test_a_new_secret_id_is_tried_before_it_is_stored(user):
    work = user.work(good(user))
    VAULT.bootstrap(work)
    old = door.stored(work)
    user.admin("POST", "auth/approle/role/theirs/secret-id/destroy", {"secret_id": old.secret_id})
    assert VAULT.state(work) == "DENIED"
    good(user)
    VAULT.preflight(work)
    assert door.stored(work) == old
    (user.folder / "secret-id").unlink()
    with pytest.raises(ServiceError, match="refuses the AppRole's login"):
        VAULT.preflight(work)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_keys_in_no_folder(user, version):
    user.admin("POST", f"sys/mounts/top{version}", {"type": "kv", "options": {"version": version[1]}})
    try:
        fields = good(user, f"engine: top{version}, prefix: ''", version)
        VAULT.preflight(user.work(fields))
        assert user.told.warnings == []
        text = kes_policy(user.work(fields).spec, version)
        assert ('path "topv1/*"' if version == "v1" else 'path "topv2/data/*"') in text
    finally:
        user.admin("DELETE", f"sys/mounts/top{version}")


def test_a_login_in_the_root_for_keys_below(user):
    """The policy then stands in the root too, and names the way down."""
    user.admin("PUT", "sys/namespaces/below", {})
    user.admin("POST", "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}}, "below")
    fields = good(user, "namespace: below").replace("approle: {", "approle: {namespace: /, ")
    error = refused(user, fields)
    assert "vault secrets enable -namespace=below -path=kv" in error.hint
    assert 'path "below/kv/data/mine/*"' in error.hint
    policy = kes_policy(user.work(fields).spec, "v2")
    assert 'path "below/kv/data/mine/*"' in policy
    user.admin("PUT", "sys/policy/theirs", {"policy": policy})
    VAULT.preflight(user.work(fields))
    VAULT.bootstrap(user.work(fields))
    assert (VAULT.state(user.work(fields)), user.told.warnings) == ("ok", [])


def test_a_token_makes_the_engine_in_the_version_that_is_wanted(user, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", user.bao.master)
    work = user.work("engine: made-v1, version: v1, prefix: '', transit: {engine: made-transit, key: made}")
    VAULT.bootstrap(work)
    assert user.home.read_secret(names.KV_VERSION) == "v1"
    assert user.admin("GET", "made-transit/keys/made")["data"]["latest_version"] == 1
    VAULT.bootstrap(work)
    assert user.told.warnings == []


def test_plain_http_is_recognised(user):
    import http.server
    import threading

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        error = refused(user, "", address=f"https://127.0.0.1:{server.server_port}")
        assert "does not speak TLS" in error.hint
    finally:
        server.shutdown()


@pytest.mark.parametrize(
    "fields",
    [
        "",
        "engine: pasted-v1, version: v1, prefix: ''",
        "engine: pasted-v2, transit: {engine: locks/transit, key: kes}",
        "namespace: pasted",
        "namespace: pasted, approle: {engine: pasted-login, namespace: /}",
    ],
    ids=["default", "v1", "transit", "namespace", "login-above"],
)
def test_what_is_to_be_pasted_is_enough(user, fields):
    user.admin("PUT", "sys/namespaces/pasted", {})
    said = user.paste(VAULT.policy(user.work(fields).spec))
    assert {line for line in said.splitlines() if line.startswith("Code:")} <= {"Code: 400. Errors:"}
    login = f"id: '@{user.folder}/kes-role-id', secret: '@{user.folder}/kes-secret-id'"
    with_login = fields.replace("approle: {", f"approle: {{{login}, ")
    given = with_login if "approle" in fields else f"{fields}, approle: {{{login}}}"
    work = user.work(given.strip(", "))
    VAULT.preflight(work)
    VAULT.bootstrap(work)
    assert (VAULT.state(work), user.told.warnings) == ("ok", [])
    assert oct((user.folder / "kes-secret-id").stat().st_mode)[-3:] == "600"
    # A token that lives on, and a secret id without end: KES logs in again and again.
    role, where = names.role(work.spec), names.login_namespace(work.spec)
    about = user.admin("GET", f"auth/{work.spec.keystore.approle.engine}/role/{role}", namespace=where)["data"]
    limits = ("token_period", "token_num_uses", "secret_id_ttl", "secret_id_num_uses", "token_max_ttl")
    assert [about[limit] for limit in limits] == [300, 0, 0, 0, 0]

"""What a Vault adds to a deployment. Pure: no server."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from bao import NOW, Told, spec_of

from kesdeploy import filled, kes_config, topology
from kesdeploy.errors import SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, Pick, Site, Work
from kesdeploy.keystores.vault import Vault, names, preflight, theirs
from kesdeploy.keystores.vault.policy import kes_policy, operator_policy
from kesdeploy.plan import Seen, Verb, diff
from kesdeploy.spec import load

VAULT = Vault()
SAMPLES = Path(__file__).parents[2] / "samples"
SITE = Site("/root", "1000:1000", {name: Pick(f"{name}:1", (name,)) for name in ("kes", "minio", "openbao", "vault")})
KINDS = {
    "static": "",
    "shares": "seal: shares",
    "hashicorp": "product: vault",
    "external": "address: 'https://vault.example.org:8200'",
    "external-all": "address: 'https://vault.example.org/base/', namespace: team/a, ca: /ca.pem, engine: secret, "
    "version: v1, prefix: minio/demo, "
    "approle: {engine: login, namespace: /, id: 'env:ID', secret: '@/secret'}, status: {ping: 3s}",
    "external-kubernetes": "address: 'https://vault.example.org:8200', namespace: team, version: v2, "
    "tls: {cert: /client.pem, key: /client.key}, transit: {engine: keys/transit, key: kes}, "
    "kubernetes: {engine: k8s, namespace: /, role: kes-role, jwt: '@/jwt'}",
}


def bodies(kind: str):
    return {r.address: r.body for r in VAULT.contribute(spec_of(KINDS[kind]), SITE).resources}


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_as_text(golden, kind):
    """Every file and container of it, and KES's keystore section."""
    spec = spec_of(KINDS[kind])
    parts = []
    for resource in topology.desired(spec, SITE):
        if resource.address.endswith("/kes-config"):
            section = filled.outline(resource.body).partition("keystore:\n")[2]
            yaml.safe_load(section)
            parts.append(f"== keystore of KES, needs {' '.join(resource.needs)}\n{section}")
        elif resource.address in {r.address for r in VAULT.contribute(spec, SITE).resources}:
            parts.append(_shown(resource))
    golden(f"keystores/vault-{kind}.txt", "\n".join(parts))


def _shown(resource) -> str:
    head = f"== {resource.address}, needs {' '.join(resource.needs) or 'nothing'}\n"
    text = yaml.safe_dump(yaml.safe_load(yaml.safe_dump(_plain(dataclasses.asdict(resource.body)))), sort_keys=False)
    return head + text + (filled.outline(resource.body) if resource.kind == "file" else "")


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_policies(golden, version):
    spec = spec_of("")
    golden(f"keystores/kes-policy-{version}.hcl", kes_policy(spec, version))
    golden("keystores/operator-policy.hcl", operator_policy(spec))


def test_a_container_sees_only_what_it_needs():
    for kind in ("static", "shares", "hashicorp"):
        mounts = {mount.source: mount.read_only for mount in bodies(kind)["container/vault"].mounts}
        assert not any(source.startswith("/root/secrets") or source == "/root/config" for source in mounts)
        assert [source for source, read_only in mounts.items() if not read_only] == ["/root/vault"]


def test_components_are_names_of_the_catalogue():
    assert [VAULT.components(spec_of(KINDS[kind])) for kind in KINDS] == [
        ("openbao",),
        ("openbao",),
        ("vault",),
        (),
        (),
        (),
    ]


def test_the_certificate_is_valid_for_every_name():
    spec = spec_of("").model_copy(
        update={"network": spec_of("").network.model_copy(update={"extra_names": ("pc.lan",)})}
    )
    assert names.certificate_names(spec) == ("localhost", "127.0.0.1", "::1", "demo-vault", "minio-kes-demo", "pc.lan")


@pytest.mark.parametrize(
    ("bind", "address"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "10.1.2.3")],
)
def test_where_this_machine_reaches_it(bind, address):
    network = spec_of("").network.model_copy(update={"bind": bind, "vault_port": 9})
    assert names.address(spec_of("").model_copy(update={"network": network})) == f"https://{address}:9"


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("address: 'http://vault'", "begins with https://"),
        ("address: 'https://u:p@vault'", "scheme, host, port and path"),
        ("address: 'https://v', seal: shares", "seal: only without `address`"),
        ("namespace: x", "namespace: only with `address`"),
        ("product: vault, seal: static", "no static seal"),
        ("address: 'https://v', prefix: 'a*'", "a path in Vault"),
        ("address: 'https://v', prefix: '../a'", "a path in Vault"),
        ("address: 'https://v', engine: 'a//b'", "a path in Vault"),
        ("address: 'https://v', engine: '/'", "a path in Vault"),
        ("address: 'https://v', kubernetes: {}", "kubernetes.role: required"),
        ("address: 'https://v', kubernetes: {role: 'a/b'}", "a name in Vault"),
        ("address: 'https://v', kubernetes: {role: r, jwt: plain-secret}", "does not belong in a spec"),
        (
            "address: 'https://v', kubernetes: {role: r}, approle: {id: 'env:ID'}",
            "approle, kubernetes: KES logs in with",
        ),
        ("address: 'https://v', transit: {}", "transit.key: required"),
        ("address: 'https://v', transit: {key: 'k*'}", "a name in Vault"),
        ("address: 'https://v', tls: {cert: /c}", "tls.key: required"),
        ("address: 'https://v', tls: {key: /k}", "tls.cert: required"),
        ("address: 'https://v', tls: {cert: c.pem, key: /k}", "absolute path"),
        ("address: 'https://v', tls: {cert: /c, key: plain-secret}", "does not belong in a spec"),
        ("transit: {key: k}", "transit: only with `address`"),
        ("kubernetes: {role: r}", "kubernetes: only with `address`"),
        ("tls: {cert: /c, key: /k}", "tls: only with `address`"),
        ("address: 'https://v', ca: ca.pem", "absolute path"),
        ("address: 'https://v', approle: {id: plain-secret}", "does not belong in a spec"),
        ("adress: 'https://v'", "did you mean 'address'"),
    ],
)
def test_what_is_wrong_is_said(fields, complaint):
    with pytest.raises(SpecError) as found:
        spec_of(fields)
    assert complaint in found.value.because
    assert "plain-secret" not in found.value.because


def test_paths_as_people_write_them():
    fields = spec_of("address: 'https://v', engine: /kv/, prefix: /minio/demo/, namespace: team/").keystore
    assert (fields.engine, fields.prefix, fields.namespace) == ("kv", "minio/demo", "team")
    assert [names.prefix(spec_of(f"address: 'https://v', prefix: '{top}'")) for top in ("", "/")] == ["", ""]
    assert names.prefix(spec_of("address: 'https://v'")) == "demo"


def test_a_file_of_a_secret_needs_no_at_sign():
    fields = spec_of("address: 'https://v', kubernetes: {role: r, jwt: ~/jwt}, tls: {cert: /c, key: /k}").keystore
    assert (fields.kubernetes.jwt, fields.tls.key) == ("@~/jwt", "@/k")


@pytest.mark.parametrize("kind", KINDS)
def test_kes_would_take_it_as_it_is_meant(kind):
    """Our own, stricter reading of KES's schema."""
    fields = KINDS[kind] + ("" if "version" in KINDS[kind] or "address" not in KINDS[kind] else ", version: v2")
    desired = topology.desired(spec_of(fields), SITE)
    text = filled.outline(next(r.body for r in desired if r.address.endswith("/kes-config")))
    for who in ("minio", "operator"):
        text = text.replace(f"<identity {who}>", who[0].encode().hex().ljust(64, "0"))
    kes_config.check(text)


def test_files_of_the_user_are_beside_kes_alone_and_private():
    found = {
        r.body.path: oct(r.body.mode)
        for r in topology.desired(spec_of(KINDS["external-kubernetes"]), SITE)
        if r.address.startswith("file/vault")
    }
    assert found == {
        "config/kes/vault-tls.crt": "0o644",
        "config/kes/vault-tls-key": "0o600",
        "config/kes/vault-kubernetes-jwt": "0o600",
    }


def test_a_changed_source_reaches_kes_at_once():
    """A new secret id, token, key or CA: the file is written again, and KES reads it."""
    spec = spec_of(KINDS["external-kubernetes"] + ", ca: /ca.pem")
    desired = topology.desired(spec, SITE)
    seen = {r.address: Seen(r.digest if r.kind in ("pod", "container") else "") for r in desired}
    for name in (names.JWT, names.TLS_KEY, names.TLS_CERT, names.CA):
        plan = diff(desired, {**seen, f"secret/{name}": Seen(reason="its source holds another value")})
        assert plan.verb(f"file/{name.removesuffix('.crt')}") is Verb.REPLACE
        assert plan.verb("container/kes-server") is Verb.RELOAD
    approle = topology.desired(spec_of(KINDS["external-all"]), SITE)
    seen = {r.address: Seen(r.digest if r.kind in ("pod", "container") else "") for r in approle}
    plan = diff(approle, {**seen, f"secret/{names.SECRET_ID}": Seen(reason="its source holds another value")})
    assert plan.verb("file/kes-config") is Verb.REPLACE
    assert plan.verb("container/kes-server") is Verb.RELOAD


@pytest.mark.parametrize(
    ("keys", "login", "way"),
    [(None, None, ""), ("team", None, ""), ("team", "/", "team/"), ("team/a", "team", "a/"), ("team", "other", "")],
)
def test_how_keys_are_reached_from_where_the_login_is(keys, login, way):
    where = ", ".join([f"namespace: {keys}"] * bool(keys) + [f"approle: {{namespace: {login}}}"] * bool(login))
    spec = spec_of(f"address: 'https://v', {where}")
    assert names.from_login(spec) == way
    assert f'path "{way}kv/data/demo/*"' in kes_policy(spec, "v2")


@pytest.mark.parametrize("kind", ["static", "external", "external-all", "external-kubernetes"])
def test_what_is_to_be_pasted(golden, kind):
    golden(f"keystores/vault-grant-{kind}.sh", VAULT.policy(spec_of(KINDS[kind])))


def test_questions_are_only_for_what_lacks(monkeypatch):
    monkeypatch.delenv("VAULT_TOKEN", raising=False)

    def asked(fields: str):
        return [question.store for question in VAULT.questions(spec_of(fields).keystore) if question.secret]

    # Whose Vault it is may be left out: without an address, kesdeploy runs one.
    assert [(q.path, q.skip) for q in VAULT.questions(spec_of("").keystore)] == [("keystore.vault.address", "here")]
    assert asked("address: 'https://v'") == ["vault-approle-id", "vault-approle-secret"]
    assert asked("address: 'https://v', approle: {id: 'env:ID'}") == ["vault-approle-secret"]
    assert asked("address: 'https://v', approle: {id: 'env:ID', secret: '@/s'}") == []
    incomplete = FIELDS["vault"].model_construct(address="https://v", approle={"id": "env:ID"})
    assert [question.store for question in VAULT.questions(incomplete)][-1:] == ["vault-approle-secret"]
    assert asked("address: 'https://v', kubernetes: {role: r}") == ["vault-kubernetes-jwt"]
    assert asked("address: 'https://v', kubernetes: {role: r, jwt: '@/j'}") == []
    monkeypatch.setenv("VAULT_TOKEN", "t")
    assert asked("address: 'https://v'") == []
    # A token makes an AppRole, no service account.
    assert asked("address: 'https://v', kubernetes: {role: r}") == ["vault-kubernetes-jwt"]


def test_who_has_a_client_certificate_is_asked_for_it(monkeypatch):
    def asked(fields: str):
        return [q.path for q in VAULT.questions(spec_of(fields).keystore) if ".tls." in q.path]

    monkeypatch.delenv("VAULT_CLIENT_CERT", raising=False)
    assert asked("address: 'https://v'") == []
    monkeypatch.setenv("VAULT_CLIENT_CERT", "/client.pem")
    assert asked("address: 'https://v'") == ["keystore.vault.tls.cert"]
    assert asked("address: 'https://v', tls: {cert: /c, key: /k}") == []
    incomplete = FIELDS["vault"].model_construct(address="https://v", tls={"cert": "/c"})
    assert [q.path for q in VAULT.questions(incomplete)][2:3] == ["keystore.vault.tls.key"]


def test_the_environment_only_proposes(monkeypatch):
    monkeypatch.setenv("VAULT_ADDR", "https://v")
    assert spec_of("").keystore.managed
    asked = {*VAULT.questions(spec_of("").keystore), *VAULT.questions(spec_of("address: 'https://v'").keystore)}
    proposed = {q.path.removeprefix("keystore.vault."): q.environment for q in asked if q.environment}
    assert proposed == {"address": ("VAULT_ADDR",), "ca": ("VAULT_CACERT",), "namespace": ("VAULT_NAMESPACE",)}
    assert all(q.skip for q in asked if q.environment), "without a terminal, nothing of it may be lacking"


@pytest.mark.parametrize(
    "address", ["https://localhost:8200", "https://127.0.0.1", "https://[::1]:1", "https://127.9.9.9"]
)
def test_loopback_is_refused(address):
    with pytest.raises(UsageError, match="cannot reach"):
        preflight.refuse_loopback(address, "x")


def test_an_address_of_the_network_is_not():
    preflight.refuse_loopback("https://10.0.0.5:8200", "x")
    preflight.refuse_loopback("https://vault.example.org", "x")


def test_a_missing_source_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_ID", raising=False)
    spec = spec_of("address: 'https://v', approle: {id: 'env:NO_SUCH_ID', secret: '@/nowhere/secret'}")
    work = Work(spec, Home("demo", tmp_path), NOW, Told(), 1)
    with pytest.raises(UsageError, match="vault-approle-id in env:NO_SUCH_ID"):
        theirs.bootstrap(work)
    monkeypatch.setenv("NO_SUCH_ID", "x")
    with pytest.raises(UsageError, match="vault-approle-secret in @/nowhere/secret") as found:
        theirs.bootstrap(work)
    assert "No such file" in found.value.because


@pytest.mark.parametrize("sample", ["vault.yaml", "vault-external.yaml", "vault-tutorial.yaml"])
def test_samples_are_planned_and_rendered(sample):
    spec = load((SAMPLES / sample).read_text(), {}, FIELDS)
    for resource in topology.desired(spec, SITE):
        if resource.kind == "file":
            assert filled.outline(resource.body)

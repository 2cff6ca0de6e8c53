"""What a Vault adds to a deployment. Pure: no server."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import yaml
from bao import NOW, Told, spec_of

from kesdeploy import filled, topology
from kesdeploy.errors import SpecError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import FIELDS, Pick, Site, Vault, Work
from kesdeploy.keystores.vault import names, preflight, theirs
from kesdeploy.keystores.vault.policy import kes_policy, operator_policy
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
        ("address: 'https://v', ca: ca.pem", "absolute path"),
        ("address: 'https://v', approle: {id: plain-secret}", "does not belong into a spec"),
        ("adress: 'https://v'", "did you mean 'address'"),
    ],
)
def test_what_is_wrong_is_said(fields, complaint):
    with pytest.raises(SpecError) as found:
        spec_of(fields)
    assert complaint in found.value.because
    assert "plain-secret" not in found.value.because


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
    monkeypatch.setenv("VAULT_TOKEN", "t")
    assert asked("address: 'https://v'") == []


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


@pytest.mark.parametrize("sample", ["vault.yaml", "vault-external.yaml"])
def test_samples_are_planned_and_rendered(sample):
    spec = load((SAMPLES / sample).read_text(), {}, FIELDS)
    for resource in topology.desired(spec, SITE):
        if resource.kind == "file":
            assert filled.outline(resource.body)

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from core_fixtures import IMAGES, SITE, VAULT, spec_of, with_image
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy import filled, keystores, spec, topology
from kesdeploy.resources import Container, File, Resource

if TYPE_CHECKING:
    from kesdeploy.keystores import Site

SAMPLES = Path(__file__).parents[1] / "samples"
HTTPS = {"minio__https": True, "network__extra_names": ["photos.example.org", "10.1.2.3"], "network__bind": "10.1.2.3"}
BUCKETS = [{"name": "photos"}, {"name": "own", "key": "own-key"}, {"name": "plain", "mode": "sse-s3"}]
KES_CERTIFICATE = {
    "keystore__kes__api_key": None,
    "keystore__kes__certificate": "/client.pem",
    "keystore__kes__key": "env:CLIENT_KEY",
    "minio__buckets": [{"name": "photos", "key": "photos-key"}],
    "minio__environment": {"MINIO_BROWSER": "off", "MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_1": "env:TOKEN"},
}
KES_KNOBS = {
    "kes__admin": "a" * 64,
    "kes__key_prefix": "team-",
    "kes__policies": {
        "app": {"allow": ["/v1/key/*"], "deny": ["/v1/key/delete/*"], "identities": ["b" * 64, "c" * 64]},
        "nobody": {},
    },
    "kes__api": {"/v1/ready": {"skip_auth": True}, "/v1/key/create/": {"timeout": "30s"}},
}
BROUGHT = {
    "minio__certificate": {"cert": "/s3.pem", "key": "@/s3.key", "host": "s3.example.org"},
    "kes__certificate": {"cert": "/kes.pem", "key": "env:KES_KEY", "ca": "/ca.pem"},
}
SPECS = {
    "fs": (SAMPLES / "fs.yaml", {}),
    "vault": (SAMPLES / "vault.yaml", {}),
    "https": (SAMPLES / "fs.yaml", HTTPS),
    "drives": (SAMPLES / "fs.yaml", {"minio__drives": 4}),
    "buckets": (SAMPLES / "fs.yaml", {"minio__buckets": BUCKETS}),
    "vault-external": (SAMPLES / "vault-external.yaml", {}),
    "kes": (SAMPLES / "kes.yaml", {}),
    "kes-certificate": (SAMPLES / "kes.yaml", KES_CERTIFICATE),
    "certificate": (SAMPLES / "fs.yaml", {"kes__auth": "certificate"}),
    "brought": (SAMPLES / "fs.yaml", BROUGHT),
    "kes-knobs": (SAMPLES / "fs.yaml", KES_KNOBS),
}


def _desired(name: str) -> tuple[Resource, ...]:
    file, overrides = SPECS[name]
    return topology.desired(spec_of(file.read_text(), **overrides), SITE)


def _lines(body: dict[str, Any], indent: str = "    ") -> str:
    return "".join(f"{indent}{key}: {json.dumps(value)}\n" for key, value in body.items())


def _text(resource: Resource) -> str:
    needs = f"    needs {', '.join(resource.needs)}\n" if resource.needs else ""
    outline = "".join(f"    | {line}\n" for line in _outline(resource).splitlines())
    return f"{resource.address}  {resource.digest}\n{needs}{_lines(asdict(resource.body))}{outline}\n"


def _outline(resource: Resource) -> str:
    return filled.outline(resource.body) if isinstance(resource.body, File) else ""


@pytest.mark.parametrize("name", SPECS)
def test_all_that_a_deployment_consists_of(name, golden):
    golden(f"topology/{name}.txt", "".join(_text(resource) for resource in _desired(name)))


# --- whatever the spec says

NAME = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
KEY = st.from_regex(r"[A-Za-df-z][A-Za-z0-9_]{0,79}", fullmatch=True)
BUCKET = st.from_regex(r"[a-z0-9][a-z0-9-]{1,40}[a-z0-9]", fullmatch=True)


@st.composite
def specs(draw: st.DrawFn) -> spec.Spec:
    names = draw(st.lists(BUCKET, max_size=4, unique=True))
    overrides: dict[str, Any] = {
        "name": draw(NAME),
        "key_name": draw(KEY),
        "minio__https": draw(st.booleans()),
        "minio__drives": draw(st.integers(1, 16)),
        "minio__auto_encryption": draw(st.booleans()),
        "minio__buckets": [{"name": name, **draw(st.sampled_from([{}, {"key": "other"}]))} for name in names],
    }
    if draw(st.booleans()):
        overrides["minio__root_user"] = "somebody"
    kms = draw(st.sampled_from(["{fs: {}}", "{vault: {}}", "{vault: {seal: shares}}", "{vault: {product: vault}}"]))
    return spec_of(f"name: x\nkeystore: {kms}\n", **overrides)


@given(specs())
def test_everything_comes_after_what_it_needs_and_once(wanted):
    done: set[str] = set()
    for resource in topology.desired(wanted, SITE):
        assert set(resource.needs) <= done, resource.address
        assert resource.address not in done
        done.add(resource.address)


@given(specs())
def test_a_container_needs_all_that_it_uses_and_reloads_only_what_it_uses(wanted):
    for resource in topology.desired(wanted, SITE):
        if isinstance(resource.body, Container):
            assert set(resource.body.uses) <= set(resource.needs)
            assert set(resource.body.reloads) <= set(resource.body.uses)


@given(specs())
def test_the_same_spec_gives_the_same_digests(wanted):
    again = spec.load(wanted.text(), {}, keystores.FIELDS)
    assert _digests(wanted) == _digests(again)


def test_nobody_fulfils_a_need():
    with pytest.raises(KeyError):
        topology.in_order((Resource("key/a", spec_body(), ("key/b",)),))


def spec_body() -> Any:
    return topology.desired(spec_of(), SITE)[0].body


# --- pure


def test_no_disk_no_clock_no_network_no_chance(monkeypatch):
    before = [_digests(spec_of(file.read_text(), **over)) for file, over in SPECS.values()]

    def forbidden(*_, **__):
        raise AssertionError("topology must be pure")

    loaded = [spec_of(file.read_text(), **over) for file, over in SPECS.values()]
    monkeypatch.setattr("builtins.open", forbidden)
    monkeypatch.setattr("os.stat", forbidden)
    monkeypatch.setattr("os.urandom", forbidden)
    monkeypatch.setattr("time.time", forbidden)
    monkeypatch.setattr("os.getuid", forbidden)
    monkeypatch.setattr(socket, "socket", forbidden)
    after = [_digests(wanted) for wanted in loaded]
    monkeypatch.undo()
    assert after == before


@pytest.mark.parametrize(
    ("text", "secret", "over"),
    [
        ("name: fs\nkeystore: {fs: {}}\n", "env:ROOT_PASSWORD", {"minio__root_password": "env:ROOT_PASSWORD"}),
        (
            VAULT + "",
            "env:SECRET_ID",
            {
                "keystore__vault__address": "https://vault.example.org:8200",
                "keystore__vault__approle": {"id": "env:ROLE_ID", "secret": "env:SECRET_ID"},
            },
        ),
    ],
)
def test_no_body_holds_a_secret_or_depends_on_it(monkeypatch, text, secret, over):
    digests = []
    for value in ("correct-horse-1", "battery-staple-2"):
        monkeypatch.setenv(secret.removeprefix("env:"), value)
        monkeypatch.setenv("ROLE_ID", "role-" + value)
        resources = topology.desired(spec_of(text, **over), SITE)
        assert value not in json.dumps([asdict(r.body) for r in resources])
        digests.append({r.address: r.digest for r in resources})
    assert digests[0] == digests[1]


# --- each knob changes what it should, and nothing else

POD, KES, MINIO, ENV, CONFIG = "pod/pod", topology.KES, topology.MINIO, topology.MINIO_ENV, topology.KES_CONFIG
DEFAULT = "minio-backend-default-key"
PAIR = {"cert": "/c.pem", "key": "env:KEY"}
KES_LEAF, MINIO_LEAF = "certificate/kes-server", "certificate/minio-server"
KNOBS = [
    ({"network__s3_port": 9100}, {POD}),
    ({"network__console_port": 9101}, {POD, ENV}),
    ({"network__kes_port": 7474}, {POD}),
    ({"network__vault_port": 8300}, set()),
    ({"network__bind": "127.0.0.2"}, {POD, KES_LEAF, ENV}),
    ({"network__bind": "0.0.0.0"}, {POD, ENV, MINIO_LEAF, MINIO}),
    ({"network__extra_names": ["photos.example.org"]}, {KES_LEAF}),
    ({"minio__https": True}, {ENV, MINIO_LEAF, MINIO}),
    (
        {"minio__certificate": PAIR},
        {ENV, MINIO_LEAF, MINIO, "secret/minio-server.crt", "secret/minio-server.key"},
    ),
    ({"kes__certificate": PAIR}, {KES_LEAF, "secret/kes-server.crt", "secret/kes-server.key"}),
    (
        {"kes__certificate": {**PAIR, "ca": "/ca.pem", "host": "kes.example.org"}},
        {KES_LEAF, "trust/minio-server", *(f"secret/kes-server{end}" for end in (".crt", ".key", "-ca.crt"))},
    ),
    ({"minio__root_user": "somebody"}, {ENV, "secret/root-user"}),
    ({"minio__root_password": "env:SECRET"}, {"secret/root-password"}),
    ({"minio__auto_encryption": False}, {ENV}),
    ({"minio__drives": 4}, {ENV, MINIO}),
    ({"minio__environment": {"MINIO_BROWSER": "off"}}, {ENV}),
    ({"minio__environment": {"MINIO_X_TOKEN": "env:X"}}, {ENV, "secret/minio-MINIO_X_TOKEN"}),
    ({"minio__buckets": [{"name": "photos"}]}, {"bucket/photos"}),
    ({"minio__buckets": [{"name": "a-b", "key": "k"}]}, {"bucket/a-b", "key/k", "fingerprint/k", "file/kes-config"}),
    ({"kes__auth": "certificate"}, {CONFIG, ENV, MINIO, "file/minio-client-crt", "file/minio-client-key"}),
    ({"kes__admin": "a" * 64}, {CONFIG}),
    (
        {"kes__key_prefix": "team-"},
        {CONFIG, ENV, *(f"{kind}/{name}" for kind in ("key", "fingerprint") for name in ("team-default-key", DEFAULT))},
    ),
    ({"kes__policies": {"app": {"allow": ["/v1/key/generate/app-*"]}}}, {CONFIG}),
    ({"kes__api": {"/v1/ready": {"skip_auth": True}}}, {CONFIG}),
    ({"kes__cache__any": "1m"}, {CONFIG}),
    ({"kes__cache__unused": "1m"}, {CONFIG}),
    ({"kes__cache__offline": "1m"}, {CONFIG}),
    ({"kes__log__error": "debug"}, {CONFIG}),
    ({"kes__log__audit": "off"}, {CONFIG}),
    ({"images__source": "sandbox"}, set()),
    ({"images__pull": "never"}, set()),
    ({"engine": "podman"}, set()),
    ({"restart": "always"}, {MINIO, "container/kes-server"}),
    ({"limits__minio__memory": "2GiB"}, {MINIO}),
    ({"limits__minio__cpus": 1.5}, {MINIO}),
    ({"limits__kes__memory": "128MiB"}, {"container/kes-server"}),
    ({"limits__kes__cpus": 1}, {"container/kes-server"}),
]


def _digests(wanted: spec.Spec, site: Site = SITE) -> dict[str, str]:
    return {resource.address: resource.digest for resource in topology.desired(wanted, site)}


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {a for a in before.keys() | after.keys() if before.get(a) != after.get(a)}


@pytest.mark.parametrize(("overrides", "changed"), KNOBS, ids=lambda v: "-".join(v) if isinstance(v, dict) else "")
def test_a_knob_changes_what_it_should_and_nothing_else(overrides, changed):
    assert _changed(_digests(spec_of()), _digests(spec_of(**overrides))) == changed


def test_another_key_name_is_another_key_and_fingerprint():
    old, new = "minio-backend-default-key", "other"
    expected = {f"{kind}/{name}" for kind in ("key", "fingerprint") for name in (old, new)} | {CONFIG, ENV}
    assert _changed(_digests(spec_of()), _digests(spec_of(key_name=new))) == expected


@pytest.mark.parametrize("component", ["kes", "minio"])
def test_another_image_is_another_container(component):
    other = with_image(SITE, component, "sha256:" + "f" * 64)
    expected = {f"container/{component}-server"}
    assert _changed(_digests(spec_of()), _digests(spec_of(), other)) == expected


def test_every_knob_of_the_spec_is_looked_at():
    """A new key of the spec fails here until somebody says what it changes."""
    known = {path.replace("__", ".") for overrides, _ in KNOBS for path in overrides}
    apart = {"name", "version", "key_name", "images.kes", "images.minio", "images.mc", "images.vault"}
    apart |= {"kes.proxy", "limits.vault.memory", "limits.vault.cpus"}  # not for `fs`: test_proxy, test_a_limit_…
    assert _leaves(spec.Spec) - apart == known


def _leaves(model: Any, prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, info in model.model_fields.items():
        section = info.annotation
        if name == "keystore":
            continue
        is_section = isinstance(section, type) and issubclass(section, spec.Section)
        found |= _leaves(section, f"{prefix}{name}.") if is_section else {prefix + name}
    return found


# --- addresses


@pytest.mark.parametrize(
    ("overrides", "s3", "kes"),
    [
        ({}, "http://127.0.0.1:9000", "https://127.0.0.1:7373"),
        ({"minio__https": True}, "https://127.0.0.1:9000", "https://127.0.0.1:7373"),
        (
            {"minio__certificate": {**PAIR, "host": "s3.example.org"}},
            "https://s3.example.org:9000",
            "https://127.0.0.1:7373",
        ),
        ({"kes__certificate": {**PAIR, "host": "::1"}}, "http://127.0.0.1:9000", "https://[::1]:7373"),
        ({"network__bind": "0.0.0.0"}, "https://localhost:9000", "https://localhost:7373"),
        (
            {"network__bind": "0.0.0.0", "network__extra_names": ["s3.example.org"]},
            "https://s3.example.org:9000",
            "https://s3.example.org:7373",
        ),
    ],
)
def test_where_users_go(overrides, s3, kes):
    wanted = spec_of(**overrides)
    assert (topology.s3_url(wanted), topology.kes_url(wanted)) == (s3, kes)
    assert topology.console_url(wanted) == s3.replace("9000", "9001")


def test_a_certificate_names_no_unspecified_address():
    assert "0.0.0.0" not in topology.server_names(spec_of(network__bind="0.0.0.0"), "kes-server")


def test_a_certificate_names_everything_it_may_be_called_by_once():
    names = topology.server_names(
        spec_of(network__bind="10.1.2.3", network__extra_names=["a.example", "10.1.2.3"]), "kes-server"
    )
    assert len(names) == len(set(names))
    assert {"localhost", "127.0.0.1", "::1", "fs-kes-server", "minio-kes-fs", "10.1.2.3", "a.example"} <= set(names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\nkeystore: {fs: {}}\n", ("kes", "minio")),
        (VAULT, ("kes", "minio", "openbao")),
        ("name: x\nkeystore: {vault: {product: vault}}\n", ("kes", "minio", "vault")),
        ((SAMPLES / "vault-external.yaml").read_text(), ("kes", "minio")),
    ],
)
def test_images_that_are_needed(text, expected):
    assert topology.components(spec_of(text)) == expected
    assert set(expected) <= set(IMAGES)


def test_no_container_sees_what_is_not_its_own():
    """KES never sees MinIO's password, MinIO never the keystore's credentials, nobody the CA's key."""
    mounts = {
        r.body.component: {m.source.removeprefix(f"{SITE.root}/") for m in r.body.mounts}
        for r in topology.desired(spec_of(VAULT), SITE)
        if isinstance(r.body, Container)
    }
    assert mounts == {
        "kes": {"certs/kes-server", "config/kes"},
        "minio": {"certs/minio-server/CAs", "config/minio", "minio"},
        "openbao": {"certs/vault", "config/vault", "config/vault-seal", "vault"},
    }


@pytest.mark.parametrize("text", [VAULT, "name: fs\nkeystore: {fs: {}}\n"], ids=["vault", "fs"])
def test_only_data_is_writable(text):
    writable = {
        r.body.component: {m.source.removeprefix(f"{SITE.root}/") for m in r.body.mounts if not m.read_only}
        for r in topology.desired(spec_of(text), SITE)
        if isinstance(r.body, Container)
    }
    assert writable["minio"] == {"minio"}
    assert (writable["kes"], writable.get("openbao")) == ((set(), {"vault"}) if text == VAULT else ({"kes"}, None))


@pytest.mark.parametrize("policy", ["always", "on-failure", "no", False])
def test_a_restart_policy_is_that_of_every_container(policy):
    bodies = [r.body for r in topology.desired(spec_of(VAULT, restart=policy), SITE) if isinstance(r.body, Container)]
    assert {body.restart for body in bodies} == {policy or "no"}
    assert len(bodies) == 3


@pytest.mark.parametrize("product", ["openbao", "vault"])
def test_a_limit_is_that_of_its_container(product):
    wanted = spec_of(VAULT, keystore__vault__product=product, limits__vault={"memory": "256MiB", "cpus": 0.5})
    bodies = {r.body.name: r.body for r in topology.desired(wanted, SITE) if isinstance(r.body, Container)}
    limits = {name.rpartition("-")[2]: (body.memory, body.cpus) for name, body in bodies.items()}
    assert limits == {"vault": (2**28, 0.5), "server": (None, None)}


def test_a_limit_of_nobody_changes_nothing_and_is_told():
    wanted = spec_of(limits__vault__memory="1GiB", limits__kes__cpus=1)
    assert topology.desired(wanted, SITE) == topology.desired(spec_of(limits__kes__cpus=1), SITE)
    assert topology.limits.idle(wanted) == ("limits.vault limits nothing: this deployment runs none",)
    assert topology.limits.idle(spec_of(VAULT, limits__vault__memory="1GiB")) == ()


def test_the_usual_restart_policy_leaves_what_runs_as_it_is():
    """Deployments from before there was the key are not made again."""
    assert topology.desired(spec_of(restart="unless-stopped"), SITE) == topology.desired(spec_of(), SITE)

"""KES ignores what it does not know; this check does not."""

from __future__ import annotations

import re
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from kesdeploy import filled, topology
from kesdeploy.errors import SpecError
from kesdeploy.kes_config import check
from kesdeploy.keystores import FIELDS, Pick, Site
from kesdeploy.resources import Ref
from kesdeploy.spec import load

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.yaml"))

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
GOOD: dict[str, Any] = {
    "version": "v1",
    "address": "0.0.0.0:7373",
    "admin": {"identity": "disabled"},
    "tls": {"key": "/certs/private.key", "cert": "/certs/public.crt"},
    "policy": {
        "minio": {"allow": ["/v1/key/create/*"], "deny": ["/v1/key/create/k"], "identities": [A]},
        "operator": {"allow": ["/v1/key/*", "/v1/ready"], "identities": [B]},
    },
    "cache": {"expiry": {"any": "5m", "unused": "30s", "offline": "0s"}},
    "api": {"/v1/ready": {"skip_auth": False, "timeout": "15s"}},
    "log": {"error": "on", "audit": "off"},
    "keystore": {"fs": {"path": "/keys"}},
}
VAULT = {
    "endpoint": "https://demo-vault:8200",
    "engine": "kv",
    "version": "v2",
    "prefix": "minio/demo",
    "namespace": "team",
    "approle": {"engine": "approle", "namespace": "/", "id": "hunter2-id", "secret": "hunter2-secret"},
    "transit": {"key": "wrapper"},
    "tls": {"ca": "/certs/ca.crt", "key": "/k", "cert": "/c"},
    "status": {"ping": "10s"},
}
NONE = object()


def with_(path: str, value: object, base: dict[str, Any] = GOOD) -> str:
    """The good configuration with one place changed; `/` divides, for names hold dots and policies slashes."""
    tree = deepcopy(base)
    *parents, last = path.split(" ")
    place = tree
    for part in parents:
        place = place.setdefault(part, {})
    if value is NONE:
        del place[last]
    else:
        place[last] = value
    return yaml.safe_dump(tree)


def problems(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        check(text)
    found = [problem.message for problem in caught.value.problems]
    assert all(message.startswith("kes-config.yaml: ") for message in found)
    return [message.removeprefix("kes-config.yaml: ") for message in found]


def vault(**changed: object) -> str:
    fields = {name: value for name, value in {**VAULT, **changed}.items() if value is not NONE}
    return with_("keystore", {"vault": fields})


def test_a_good_configuration():
    check(yaml.safe_dump(GOOD))
    check(vault())


SITE = Site("/root", "0:0", {name: Pick(name, (name,)) for name in ("kes", "minio", "mc", "vault", "openbao")})


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_we_render_is_good(sample, monkeypatch):
    """With a different identity each. Of the other placeholders, KES would refuse only the version that Vault tells."""
    monkeypatch.setattr(Ref, "__str__", lambda ref: sha256(ref.name.encode()).hexdigest())
    resources = topology.desired(load(sample.read_text(), {}, FIELDS), SITE)
    bodies = [resource.body for resource in resources if resource.address == topology.KES_CONFIG]
    assert len(bodies) == (sample.name != "kes.yaml"), "a KES that others run is theirs to configure"
    for body in bodies:
        check(filled.outline(body).replace('version: "REDACTED"', "version: v2"))


def test_what_we_render_of_every_knob_is_good(monkeypatch):
    monkeypatch.setattr(Ref, "__str__", lambda ref: sha256(ref.name.encode()).hexdigest())
    policies = {"app": {"allow": ["/v1/key/*"], "deny": ["/v1/key/delete/*"], "identities": [B, C]}, "nobody": {}}
    api = {"/v1/ready": {"skip_auth": True}, "/v1/key/create/": {"timeout": "30s"}}
    kes = {"auth": "certificate", "admin": A, "key_prefix": "team-", "policies": policies, "api": api}
    resources = topology.desired(load("name: a\nkeystore: {fs: {}}\n", {"kes": kes}, FIELDS), SITE)
    (text,) = (filled.outline(resource.body) for resource in resources if resource.address == topology.KES_CONFIG)
    check(text)
    config = yaml.safe_load(text)
    assert config["admin"] == {"identity": A}
    assert config["tls"]["ca"] == "/certs/ca.crt"
    assert set(config["policy"]) == {"minio", "operator", "app", "nobody"}
    assert config["api"]["/v1/ready"] == {"skip_auth": True}
    assert config["api"]["/v1/key/create/"] == {"timeout": "30s", "skip_auth": False}


@pytest.mark.parametrize(
    "path",
    [
        "version",
        "cache",
        "cache expiry unused",
        "admin",
        "admin identity",
        "tls",
        "tls key",
        "tls cert",
        "keystore",
        "keystore fs path",
    ],
)
def test_what_kes_needs(path):
    assert problems(with_(path, NONE)) == [f"{path.replace(' ', '.')}: required"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("root", "root: unknown key"),
        ("adress", "adress: unknown key; did you mean 'address'?"),
        ("keys", "keys: unknown key"),
        ("tls proxy", "tls.proxy: unknown key"),
        ("policy minio alow", "policy.minio.alow: unknown key; did you mean 'allow'?"),
        ("cache expiry offlin", "cache.expiry.offlin: unknown key; did you mean 'offline'?"),
        ("api /v1/ready skip-auth", "api./v1/ready.skip-auth: unknown key; did you mean 'skip_auth'?"),
        ("keystore fs pth", "keystore.fs.pth: unknown key; did you mean 'path'?"),
        ("keystore FS", "keystore.FS: unknown key"),
    ],
)
def test_what_kes_would_ignore(path, message):
    (found,) = problems(with_(path, {}))
    assert found.startswith(message)


@pytest.mark.parametrize("value", ["0.0.0.0:7373", "127.0.0.1:1", "[::]:7373", "[::1]:65535"])
def test_addresses(value):
    check(with_("address", value))


@pytest.mark.parametrize(
    "value",
    [
        "localhost:7373",
        ":7373",
        "0.0.0.0",
        "7373",
        7373,
        "::1:7373",
        "[0.0.0.0]:7373",
        "1.2.3:7373",
        "0.0.0.0:0",
        "0.0.0.0:65536",
        "${ADDR}",
    ],
)
def test_addresses_that_kes_would_not_take_or_not_as_meant(value):
    (found,) = problems(with_("address", value))
    assert found.startswith("address: ")


@pytest.mark.parametrize(
    "path", ["cache expiry any", "cache expiry unused", "cache expiry offline", "api /v1/ready timeout"]
)
@pytest.mark.parametrize("value", [0, 15, "15", "1d", "-5s", None, "${X}"])
def test_durations_have_units(path, value):
    (found,) = problems(with_(path, value))
    assert found.startswith(f"{path.replace(' ', '.')}: a duration needs a unit")


@pytest.mark.parametrize("expiry", [{"any": "5m"}, {"any": "5m", "unused": "0s"}, {"unused": "30s"}])
def test_both_cache_times_are_said(expiry):
    assert problems(with_("cache expiry", expiry))[0].startswith("cache.expiry")


@pytest.mark.parametrize("value", ["on", "off", "ON"])
def test_auth_is_a_word(value):
    check(with_("tls auth", NONE if value is None else value))
    assert "auth: 'on'" in with_("tls auth", "on")
    check(with_("tls auth", value).replace("'on'", "on").replace("'off'", "off"))


@pytest.mark.parametrize("value", [True, False, "true", "yes", ""])
def test_and_never_a_boolean(value):
    (found,) = problems(with_("tls auth", value))
    assert found.startswith("tls.auth: ")


@pytest.mark.parametrize("value", ["true", "yes", 1])
def test_skip_auth_is_a_boolean(value):
    assert problems(with_("api /v1/ready skip_auth", value)) == [
        f"api./v1/ready.skip_auth: true or false is needed here (given: {value!r})"
    ]


@pytest.mark.parametrize("value", [A.upper(), "a" * 63, "a" * 65, "g" * 64, "", "_", "${ID}", "disabled", 7])
def test_identities(value):
    (found,) = problems(with_("policy minio identities", [value]))
    assert found.startswith("policy.minio.identities.0: ")


@pytest.mark.parametrize("value", ["disabled", C])
def test_the_admin(value):
    check(with_("admin identity", value))


@pytest.mark.parametrize("value", ["", "Disabled", C.upper(), "admin", None])
def test_what_is_no_admin(value):
    (found,) = problems(with_("admin identity", value))
    assert found.startswith("admin.identity: ")


def test_an_identity_belongs_to_one_policy():
    assert problems(with_("policy operator identities", [A])) == [
        f"policy.operator.identities: {A} belongs to policy minio already"
    ]
    assert problems(with_("policy operator identities", [B, B])) == [
        f"policy.operator.identities: {B} belongs to policy operator already"
    ]
    assert problems(with_("admin identity", A)) == [f"policy.minio.identities: {A} belongs to admin already"]


@pytest.mark.parametrize("name", ["", "-a", "a-", "_", "a b", "a.b", "a/b", "a" * 81])
def test_policy_names(name):
    tree = {**GOOD, "policy": {name: {"allow": ["/v1/ready"]}}}
    (found,) = problems(yaml.safe_dump(tree))
    assert "a name is 1 to 80" in found


@pytest.mark.parametrize("level", ["on", "off", "debug", "INFO", "warn", "error"])
def test_log_levels(level):
    check(with_("log error", level))


@pytest.mark.parametrize("level", [True, "true", "warning", "loud", ""])
def test_no_log_levels(level):
    assert problems(with_("log audit", level))[0].startswith("log.audit: ")


@pytest.mark.parametrize("keystore", [{}, {"fs": None}, {"fs": {"path": "/keys"}, "vault": VAULT}])
def test_exactly_one_keystore(keystore):
    (found,) = problems(with_("keystore", keystore))
    assert found.startswith(
        "keystore: exactly one of fs, vault, aws, azure, gcp, entrust, fortanix, gemalto is needed ("
    )


@pytest.mark.parametrize("path", ["keys", "", "./keys", "${KEYS}"])
def test_the_folder_of_the_keys_is_absolute(path):
    assert problems(with_("keystore fs path", path))[0].startswith("keystore.fs.path: an absolute path")


KUBERNETES = {"role": "kes", "jwt": "/var/run/token"}


def test_exactly_one_login():
    check(vault(approle=NONE, kubernetes=KUBERNETES))
    for changed in ({"approle": NONE}, {"kubernetes": KUBERNETES}):
        (found,) = problems(vault(**changed))
        assert found.startswith("keystore.vault: exactly one of approle, kubernetes is needed")


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"endpoint": NONE}, "endpoint"),
        ({"endpoint": "vault:8200"}, "endpoint"),
        ({"endpoint": "http://vault:8200"}, "endpoint"),
        ({"version": NONE}, "version"),
        ({"version": "2"}, "version"),
        ({"version": 2}, "version"),
        ({"approle": {"id": "x"}}, "approle.secret"),
        ({"approle": {"id": "x", "secret": ""}}, "approle.secret"),
        ({"approle": {"id": "x", "secret": "y", "retry": "15s"}}, "approle.retry"),
        ({"transit": {}}, "transit.key"),
        ({"tls": {"key": "/k"}}, "tls"),
        ({"tls": {"ca": "ca.crt"}}, "tls.ca"),
        ({"status": {"ping": 10}}, "status.ping"),
        ({"approle": NONE, "kubernetes": {"jwt": "x"}}, "kubernetes.role"),
    ],
)
def test_vault(changed, path):
    (found,) = problems(vault(**changed))
    assert found.startswith(f"keystore.vault.{path}: ")


@pytest.mark.parametrize(
    "changed",
    [
        {"approle": {"id": "hunter2", "secret": 7}},
        {"approle": "hunter2"},
        {"endpoint": "https://u:hunter2@v"},
        {"kubernetes": "hunter2"},
    ],
)
def test_no_secret_is_repeated(changed):
    assert not re.search("hunter2", " ".join(problems(vault(**changed))))


def test_all_problems_at_once():
    tree = deepcopy(GOOD)
    tree["adress"] = tree.pop("address")
    tree["tls"]["auth"] = True
    tree["cache"]["expiry"]["any"] = 5
    assert len(problems(yaml.safe_dump(tree))) == 3


@pytest.mark.parametrize("text", ["", "[", "a: 1\na: 2", "- a"])
def test_what_is_no_configuration(text):
    assert problems(text)


def test_a_policy_that_is_given_twice():
    assert "given twice" in problems("policy:\n  a: {}\n  a: {}\n")[0]

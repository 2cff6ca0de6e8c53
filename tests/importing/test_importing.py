"""Somebody's files, as they stand on the web, and wild ones: what is said of them, and the spec that comes out."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy import lacking
from kesdeploy.errors import KesdeployError, UsageError
from kesdeploy.importing import commands, compose, imported
from kesdeploy.importing.kes import from_kes_config
from kesdeploy.importing.minio import from_environment
from kesdeploy.importing.placeholders import is_placeholder
from kesdeploy.importing.services import from_service
from kesdeploy.keystores import KEYSTORES

FILES = Path(__file__).parent / "files"
IDENTITY = "ab" * 32
API_KEY = "kes:v1:" + "A" * 44


def said(found) -> str:
    lines = [f"{r.level:8}{r.where}: {r.what}\n        {r.why}" for r in found.remarks]
    lacks = [f"lacking {what}" for what in found.missing]
    return "\n".join([*lines, *lacks, "---", yaml.safe_dump(found.tree, sort_keys=False)])


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A copy whose path is no part of what is said."""
    shutil.copytree(FILES, tmp_path / "files")
    monkeypatch.chdir(tmp_path / "files")
    return Path()


@pytest.mark.parametrize(
    ("name", "given_files"),
    [
        ("tutorial", ["tutorial.sh"]),
        ("tutorial-folder", ["config"]),
        ("compose", ["compose/docker-compose.yml", "compose/kes-server-config.yml"]),
    ],
)
def test_what_is_said_of_published_files(files, golden, name, given_files):
    found = imported([files / file for file in given_files], "demo")
    golden(f"importing/{name}.txt", said(found))
    lacking.loaded(found.tree, KEYSTORES)


def test_secrets_stand_beside_the_spec(files):
    text = Path("tutorial.sh").read_text()
    Path("mine.sh").write_text(text)
    config = Path("config/kes-config.yaml")
    config.write_text(config.read_text().replace("VAULTAPPID", "3f9a-id").replace("VAULTAPPSECRET", "s3cret-id"))
    found = imported([files / "config"])
    assert found.secrets == {"vault-approle-id": "3f9a-id", "vault-approle-secret": "s3cret-id"}
    assert "s3cret-id" not in said(found)


def test_a_tutorials_placeholders_are_no_secrets_and_are_asked_for(files):
    found = imported([files / "tutorial.sh"])
    assert found.secrets == {}
    assert "VAULTAPP" not in said(found)
    asked = [remark for remark in found.remarks if "not a secret" in remark.what]
    assert [remark.level for remark in asked] == ["open", "open"]
    assert "--set keystore.vault.approle.id=@FILE" in asked[0].why


@pytest.mark.parametrize(
    "value",
    [
        *("VAULTAPPID", "VAULTAPPSECRET", "AWS_SECRET_KEY", "<your-secret-id>", "https://<vault>.vault.azure.net"),
        *(
            "YOUR-SECRET-HERE",
            "your_client_secret",
            "changeme",
            "replace-me",
            "xxxx",
            "xxxxxxxx-xxxx-xxxx-xxxxxxxxxxxx",
        ),
        *("https://HOSTNAME:8200", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "...", "****"),
    ],
)
def test_what_a_reader_was_to_replace(value):
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", "3f9a1c77-0000-4b11-9a2e-5d3c2b1a0f9e", "JBSWY3DPEHPK3PXP", "hunter2", "s.auUocQ9AWMDFmwfabfs6YtrU"),
        *("AKIA5ZXQJ7B2M4N8T6WY", "https://vault.example.org:8200", "kv", "minio/demo", "eu-central-1", "exampled"),
        *("00000000-0000-0000-0000-000000000000", "yourself", "changed8Q~abc", "KEY1"),
    ],
)
def test_what_may_be_somebodys(value):
    assert not is_placeholder(value)


# --- a KES that others run


def test_a_kes_that_no_file_configures_is_one_that_others_run(tmp_path):
    (tmp_path / "ca.crt").write_text("x")
    (tmp_path / "minio.env").write_text(
        "MINIO_KMS_KES_ENDPOINT=https://kes1.example.org:7373,https://kes2.example.org:7373\n"
        f"MINIO_KMS_KES_API_KEY={API_KEY}\nMINIO_KMS_KES_KEY_NAME=photos\nMINIO_KMS_KES_CAPATH={tmp_path}/ca.crt\n"
    )
    found = imported([tmp_path / "minio.env"], "demo")
    endpoints = ["https://kes1.example.org:7373", "https://kes2.example.org:7373"]
    login = {"api_key": "env:MINIO_KMS_KES_API_KEY", "ca": f"{tmp_path}/ca.crt"}
    assert found.tree["keystore"] == {"kes": {"endpoints": endpoints, **login}}
    assert found.tree["key_name"] == "photos"
    assert found.missing == ()
    assert API_KEY not in said(found)
    assert "is not taken over" not in said(found)
    assert lacking.loaded(found.tree, KEYSTORES).kms == "kes"


def test_its_client_certificate_is_a_file_of_this_machine_or_asked_for(tmp_path):
    (tmp_path / "minio.key").write_text("x")
    (tmp_path / "compose.yaml").write_text(
        "services:\n  minio:\n    image: minio/minio\n    volumes: ['./:/certs']\n    environment:\n"
        "      MINIO_KMS_KES_ENDPOINT: https://kes.example.org:7373\n"
        "      MINIO_KMS_KES_CERT_FILE: /elsewhere/minio.crt\n      MINIO_KMS_KES_KEY_FILE: /certs/minio.key\n"
    )
    found = imported([tmp_path / "compose.yaml"], "demo")
    assert found.tree["keystore"] == {"kes": {"endpoints": ["https://kes.example.org:7373"]}}, "half a pair is none"
    assert any(
        "--set keystore.kes.certificate=FILE --set keystore.kes.key=@FILE" in remark.why for remark in found.remarks
    )


@pytest.mark.parametrize(
    "endpoint", ["https://127.0.0.1:7373", "https://localhost:7373", "https://play.min.io:7373", "http://kes:7373", ","]
)
def test_an_endpoint_that_is_nobodys_leaves_the_kms_open(tmp_path, endpoint):
    (tmp_path / "minio.env").write_text(f"MINIO_KMS_KES_ENDPOINT={endpoint}\n")
    found = imported([tmp_path / "minio.env"], "demo")
    assert "keystore" not in found.tree
    assert any("keystore" in what for what in found.missing)


def test_a_kes_that_comes_along_is_not_elsewhere(files):
    found = imported([files / "compose/docker-compose.yml"], "demo")
    assert "kes" not in (found.tree.get("keystore") or {})


# --- further policies, releases


def test_what_stands_in_the_environment_of_kes():
    environment = {"HTTPS_PROXY": "http://proxy.example.org:3128", "VAULT_SKIP_VERIFY": "true", "VAULT_AGENT_ADDR": "x"}
    bodies = {"kes": {"image": "minio/kes", "environment": environment}}
    (service,) = compose.services({"services": bodies}, "compose.yaml", Path(), {})
    found = from_service(service)
    assert found.settings["kes.proxy"] == "http://proxy.example.org:3128"
    assert "believes any certificate" in remarks(found)
    assert "instead of keystore.vault.endpoint" in remarks(found)


def test_clients_besides_minio_keep_their_policies():
    other = {"allow": ["/v1/key/generate/app-*", "/v1/key/*/x"], "deny": ["/v1/key/delete/*"]}
    mine = {"allow": ["/v1/key/*"], "identities": ["${MINIO_ID}"]}
    found = kes(policy={"minio": mine, "app": {**other, "identities": [IDENTITY, "${APP}", IDENTITY.upper()]}})
    app = {"allow": ["/v1/key/generate/app-*"], "deny": ["/v1/key/delete/*"], "identities": [IDENTITY]}
    assert {path: value for path, value in found.settings.items() if "polic" in path} == {"kes.policies.app": app}
    assert "its client is ${APP}" in remarks(found)
    assert f"{IDENTITY.upper()} is no identity" in remarks(found)
    assert "matches nothing" in remarks(found)
    only = kes(policy={"my-app": {"allow": ["/v1/key/*"], "identities": [IDENTITY]}})
    assert not any("polic" in path for path in only.settings), "the only client is MinIO"


@pytest.mark.parametrize(
    ("tag", "pinned", "says"),
    [
        ("2024-01-11T13-09-29Z", "quay.io/minio/kes:2024-01-11T13-09-29Z", "is kept"),
        ("2024-03-13T17-52-13Z", "quay.io/minio/kes:2024-03-13T17-52-13Z", "is kept"),
        ("2023-11-10T10-44-28Z", None, "there is no way back"),
        ("v0.22.3", None, "there is no way back"),
        ("2025-03-12T09-35-18Z", None, ""),
        ("latest", None, ""),
    ],
)
def test_the_release_that_a_file_names_goes_on_where_it_can(tag, pinned, says):
    (service,) = compose.services({"services": {"kes": {"image": f"minio/kes:{tag}"}}}, "compose.yaml", Path(), {})
    found = from_service(service)
    assert found.settings.get("images.kes") == pinned
    assert (says in remarks(found)) if says else "KES 2025" not in remarks(found)


def kes(**changes):
    tree = {
        "admin": {"identity": "disabled"},
        "tls": {"key": "/k", "cert": "/c"},
        "keystore": {"fs": {"path": "/keys"}},
        **changes,
    }
    return from_kes_config(tree, "kes.yaml", lambda _: None)


def test_credentials_that_are_kept_are_still_named():
    """Without its section KES would use what it finds in its container, and not these."""
    login = {"accesskey": "AKIA5ZXQJ7B2M4N8T6WY", "secretkey": "s", "token": ""}
    place = {"endpoint": "secretsmanager.us-east-2.amazonaws.com", "region": "us-east-2", "kmskey": ""}
    found = kes(keystore={"aws": {"secretsmanager": {**place, "credentials": login}}})
    assert found.settings["keystore.aws.credentials"] == {}
    assert found.secrets == {"aws-credentials-accesskey": "AKIA5ZXQJ7B2M4N8T6WY", "aws-credentials-secretkey": "s"}
    role = kes(keystore={"aws": {"secretsmanager": place}})
    assert "keystore.aws.credentials" not in role.settings


def remarks(found) -> str:
    return "\n".join(f"{r.where}: {r.what}; {r.why}" for r in found.remarks)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keys": [{"name": "my-key"}]}, "KES creates none of them"),
        ({"root": IDENTITY}, "root: has no effect"),
        ({"admin": {}}, "no admin identity"),
        ({"cache": {"expiry": {"any": "5m"}}}, "30 s at most"),
        ({"policy": {"p": {"allow": ["/v1/key/*/name"]}}}, "/v1/key/*/name matches nothing"),
        ({"keystore": {}}, "no keystore specified"),
        ({"keystore": {"redis": {"a": 1}}}, "no keystore that kesdeploy knows"),
        ({"tls": {"proxy": {"identities": ["x"]}}}, "does nothing with it"),
        ({"adress": "0.0.0.0:1"}, "unknown key; did you mean 'address'?"),
    ],
)
def test_what_kes_ignores_or_dies_of(changes, words):
    assert words in remarks(kes(**changes))


def test_what_a_kes_configuration_means():
    found = kes(
        address="0.0.0.0:7474",
        cache={"expiry": {"any": "5m0s", "unused": "20s"}},
        log={"error": "on", "audit": "off"},
        keys=[{"name": "my-key"}],
    )
    assert found.settings == {
        "network.kes_port": 7474,
        "kes.cache.any": "5m0s",
        "kes.cache.unused": "20s",
        "kes.log.error": "info",
        "kes.log.audit": "off",
        "keystore.fs": {},
    }
    assert found.likely == {"key_name": "my-key"}, "KES makes none of them: MinIO's own word counts before it"


def test_a_variable_of_a_secret_is_where_the_secret_is_read_from():
    approle = {"id": "${ROLE}", "secret": "${ SECRET }"}
    found = kes(keystore={"vault": {"endpoint": "https://v:8200", "approle": approle}})
    assert found.settings["keystore.vault.approle.id"] == "env:ROLE"
    assert found.settings["keystore.vault.approle.secret"] == "env:SECRET"
    assert not found.secrets


def test_files_of_a_vault_are_named_and_not_taken_for_secrets(files):
    Path("here.key").write_text("x")
    kubernetes = {"role": "kes", "jwt": "/var/run/secrets/token"}
    vault = {"endpoint": "https://v:8200", "kubernetes": kubernetes, "tls": {"cert": "/there.crt", "key": "/here.key"}}
    found = kes(keystore={"vault": {**vault, "transit": {"key": "k"}}})
    assert not found.secrets
    assert found.settings["keystore.vault.transit.key"] == "k"
    assert found.settings["keystore.vault.kubernetes.role"] == "kes"
    # Keys that lie in no folder are looked for in none.
    assert found.settings["keystore.vault.prefix"] == ""
    opened = {
        remark.where.partition("keystore.vault.")[2]: remark.why for remark in found.remarks if remark.level == "open"
    }
    assert {"kubernetes.jwt", "tls.cert"} <= set(opened)
    assert "--set keystore.vault.kubernetes.jwt=FILE" in opened["kubernetes.jwt"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MINIO_KMS_KES_CA_PATH": "/x"}, "it is MINIO_KMS_KES_CAPATH"),
        ({"MINIO_KMS_KES_ENDPOINT": "https://play.min.io:7373"}, "root key everybody had"),
        ({"MINIO_KMS_KES_API_KEY": "k", "MINIO_KMS_KES_CERT_FILE": "c"}, "MinIO ends when both are set"),
        ({"MINIO_KMS_KES_KEY_NAME": ""}, "for MinIO an empty variable is set"),
        ({"MINIO_ROOT_USER": "envoy"}, "blanks the value"),
        ({"MINIO_ACCESS_KEY": "minio"}, "it is MINIO_ROOT_USER now"),
        ({"MINIO_KMS_SECRET_KEY": "k:v"}, "beside KES"),
        ({"MINIO_KMS_VAULT_ENDPOINT": "x"}, "KES does"),
    ],
)
def test_what_minio_ignores_or_dies_of(variables, words):
    assert words in remarks(from_environment(variables, "minio"))


def test_public_passwords_are_not_taken_over():
    found = from_environment({"MINIO_ROOT_USER": "minioadmin", "MINIO_ROOT_PASSWORD": "minio123"}, "minio")
    assert not found.settings
    assert not found.secrets


def test_a_password_of_their_own_is():
    found = from_environment({"MINIO_ROOT_USER": "me", "MINIO_ROOT_PASSWORD": "a-real-one"}, "minio")
    assert found.settings == {"minio.root_user": "me"}
    assert found.secrets == {"root-password": "a-real-one"}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("server --auth --config=/c/k.yaml", "a bare --auth swallows --config=/c/k.yaml"),
        ("server --config /c/k.yaml --auth", "a bare --auth swallows what follows"),
        ("server --config /c/k.yaml --auth=off", "--auth has no effect"),
        ("server --config /c/k.yaml --root x", "--root is an unknown flag"),
        ("tool identity new x", "`kes tool identity` is gone"),
        ("server --config /d/k.yaml", "/d/k.yaml is not mounted"),
    ],
)
def test_how_kes_is_started(tmp_path, command, words):
    text = f"podman run -d --name kes -v ./c:/c quay.io/minio/kes:2024-01-11T13-09-29Z {command}\n"
    (service,) = commands.services(text, "run.sh", tmp_path)
    assert words in remarks(from_service(service))


@pytest.mark.parametrize("path", ["nothing.txt", "gone.yaml", "empty"])
def test_what_nobody_understands(tmp_path, path):
    (tmp_path / "nothing.txt").write_text("hello\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError) as raised:
        imported([tmp_path / path])
    assert str(tmp_path / path) in raised.value.what


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=12,
)
SECTIONS = st.sampled_from(["admin", "tls", "policy", "cache", "log", "keys", "keystore", "api", "address", "root"])
BACKENDS = st.sampled_from(["fs", "vault", "aws", "azure", "gcp", "entrust", "fortanix", "gemalto", "kes"])


@given(st.dictionaries(SECTIONS, TREES | st.dictionaries(BACKENDS, TREES, max_size=2), max_size=6))
def test_no_kes_configuration_is_too_wild(tree):
    found = from_kes_config(tree, "kes.yaml", lambda _: None)
    assert all(remark.what for remark in found.remarks)


KEYS = st.sampled_from(["image", "command", "entrypoint", "environment", "env_file", "volumes", "ports"])


@given(
    st.dictionaries(st.sampled_from(["kes", "minio", "vault", "web"]), TREES | st.dictionaries(KEYS, TREES), max_size=3)
)
def test_no_compose_file_is_too_wild(bodies):
    for service in compose.services({"services": bodies}, "compose.yaml", Path("/base"), {}):
        from_service(service)


@given(st.text(max_size=200))
def test_no_commands_are_too_wild(text):
    for service in commands.services(f"podman run {text}\ndocker pod create {text}", "run.sh", Path("/base")):
        from_service(service)


@given(st.binary(max_size=200))
def test_no_file_is_too_wild(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("wild") / "file"
    path.write_bytes(b"keystore:\n" + data)
    with suppress(KesdeployError):
        assert imported([path]).tree["name"]


SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_spec_of_ours_is_not_imported(sample):
    with pytest.raises(UsageError, match="spec of kesdeploy") as raised:
        imported([sample])
    assert raised.value.hint == f"kesdeploy up --config {sample}"


def test_a_spec_beside_somebodys_files_is_passed_over(files):
    before = imported([files / "config"])
    Path("config/kesdeploy.yaml").write_text("version: 1\nkeystore:\n  fs: {}\n")
    assert imported([files / "config"]) == before


def test_where_a_secret_would_be_read_is_no_secret():
    tree = {"keystore": {"vault": {"endpoint": "https://v:8200", "approle": {"id": "@~/id", "secret": "@bc-1"}}}}
    found = from_kes_config(tree, "x.yaml", lambda _: None)
    assert found.secrets == {"vault-approle-secret": "@bc-1"}


def test_one_variable_that_no_spec_takes_leaves_the_others(tmp_path):
    (file := tmp_path / "minio.env").write_text("MINIO_SITE_NAME=here\nMINIO_NOTIFY_REDIS_PASSWORD_A=hidden-well\n")
    found = imported([file])
    assert found.tree["minio"]["environment"] == {"MINIO_SITE_NAME": "here"}
    assert "minio.environment.MINIO_NOTIFY_REDIS_PASSWORD_A" in [remark.where for remark in found.remarks]
    assert "hidden-well" not in f"{found.tree}{found.remarks}"


@pytest.mark.parametrize("allow", ["5", "text", "{a: b}", "null"])
def test_a_policy_that_is_none_is_no_mistake_of_ours(tmp_path, allow):
    file = tmp_path / "kes-config.yaml"
    file.write_text(f"policy: {{a: {{allow: {allow}, identities: {allow}}}}}\nkeystore: {{fs: {{path: /x}}}}\n")
    assert imported([file]).tree["keystore"] == {"fs": {}}


def test_a_device_has_no_end_and_is_no_configuration():
    with pytest.raises(UsageError, match="too long"):
        imported([Path("/dev/zero")])

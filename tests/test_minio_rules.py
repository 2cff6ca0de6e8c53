"""Variables that a user may give MinIO: none that kesdeploy sets, none that conflicts, and no secret as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from core_fixtures import spec_of
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.errors import SpecError
from kesdeploy.minio_rules import environment, has_console, is_source
from kesdeploy.render import render

TEMPLATE = Path(__file__).parents[1] / "templates" / "minio" / "minio.j2"
HIDDEN = "hunter2-hunter2"


def refused(**variables: object) -> str:
    with pytest.raises(SpecError) as raised:
        spec_of(minio__environment=variables)
    assert HIDDEN not in f"{raised.value.because}{raised.value.problems}"
    return raised.value.because


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIO_BROWSER", "off"),
        ("MINIO_SERVER_URL", "https://s3.example.org"),
        ("MINIO_PROMETHEUS_AUTH_TYPE", "public"),
        ("MINIO_STORAGE_CLASS_STANDARD", "EC:2"),
        ("MINIO_KMS_REPLICATE_KEYID", "off"),
        ("MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_1", "env:TOKEN"),
        ("MINIO_IDENTITY_OPENID_CLIENT_SECRET", "@~/.secrets/openid"),
        ("MINIO_NOTIFY_AMQP_URL_1", "env:AMQP"),
    ],
)
def test_what_a_user_may_set(name, value):
    assert spec_of(minio__environment={name: value}).minio.environment == {name: value}


@pytest.mark.parametrize(
    ("value", "text"), [(True, "on"), (False, "off"), (7, "7"), (0, "0"), (1, "1"), (2.5, "2.5"), ("on", "on")]
)
def test_values_are_written_as_minio_reads_them(value, text):
    assert spec_of(minio__environment={"MINIO_X": value}).minio.environment == {"MINIO_X": text}


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("MINIO_ROOT_USER", "minio.root_user"),
        ("MINIO_ROOT_PASSWORD", "minio.root_password"),
        ("MINIO_ROOT_PASSWORD_FILE", "minio.root_password"),
        ("MINIO_ACCESS_KEY", "minio.root_user"),
        ("MINIO_VOLUMES", "minio.drives"),
        ("_MINIO_BATCH_KEYROTATION_WORKERS", "turn the versions"),
        ("MINIO_BROWSER_REDIRECT_URL", "network.console_port"),
        ("MINIO_CONSOLE_ADDRESS", "network.console_port"),
        ("MINIO_KMS_AUTO_ENCRYPTION", "minio.auto_encryption"),
        ("MINIO_KMS_KES_KEY_NAME", "key_name"),
        ("MINIO_KMS_KES_ENDPOINT", "keystore.kes"),
        ("MINIO_KMS_KES_CERT_FILE", "keystore.kes"),
        ("MINIO_KMS_SECRET_KEY", "one KMS"),
        ("MINIO_KMS_SERVER", "one KMS"),
        ("MINIO_CONFIG_ENV_FILE", "written to"),
        ("MINIO_SITE_REGION", "us-east-1"),
        ("MINIO_API_ROOT_ACCESS", "root user"),
        ("MINIO_CI_CD", "before it reads these"),
        ("HTTPS_PROXY", "MINIO_…"),
        ("minio_browser", "MINIO_…"),
        ("exportMINIO_X", "MINIO_…"),
        ("MINIO_X=1\nMINIO_ROOT_USER", "MINIO_…"),
    ],
)
def test_what_is_not_for_users_names_what_is(name, instead):
    assert instead in refused(**{name: HIDDEN})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_1", HIDDEN),
        ("MINIO_IDENTITY_LDAP_LOOKUP_BIND_PASSWORD", HIDDEN),
        ("MINIO_NOTIFY_POSTGRES_CONNECTION_STRING_1", HIDDEN),
        ("MINIO_SUBNET_API_KEY", HIDDEN),
        ("MINIO_NOTIFY_AMQP_URL_1", f"amqp://me:{HIDDEN}@broker:5672"),
    ],
)
def test_a_secret_is_not_written_into_a_spec(name, value):
    assert "@FILE or env:NAME" in refused(**{name: value})


@pytest.mark.parametrize("value", [" x", "x\ny", "envoy", "x" * 70_000])
def test_what_minio_would_not_read_back(value):
    assert "minio.environment: MINIO_X:" in refused(MINIO_X=value)


def test_every_problem_at_once():
    because = refused(MINIO_ROOT_USER=HIDDEN, MINIO_VOLUMES="/x", MINIO_X=" x")
    assert [name in because for name in ("MINIO_ROOT_USER", "MINIO_VOLUMES", "MINIO_X")] == [True] * 3


def test_all_that_the_template_sets_is_refused():
    names = re.findall(r"^(MINIO_[A-Z_]+)=", TEMPLATE.read_text(), re.MULTILINE)
    assert len(names) > 8
    for name in names:
        refused(**{name: "x"})


@pytest.mark.parametrize(
    ("said", "serves"),
    [({}, True), *(({"MINIO_BROWSER": v}, v in ("on", "1", "enabled")) for v in ("on", "1", "enabled"))]
    + [({"MINIO_BROWSER": v}, False) for v in ("off", "OFF", "0", "F", "false", "Disabled")],
)
def test_whether_there_is_a_console(said, serves):
    assert has_console(said) is serves


NAMES = st.from_regex(r"_?MINIO_[A-Z0-9_]{1,20}", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(max_size=20), max_size=4))
def test_what_is_taken_comes_out_of_the_template_as_it_went_in(variables):
    try:
        taken = environment({name: value for name, value in variables.items() if not is_source(value)})
    except ValueError:
        return
    kes = {"endpoint": "e", "ca": "", "certificate": False, "api_key": "k"}
    words = {"root_user": "u", "root_password": "p", "volumes": "/d", "console_url": "c", "key_name": "k"}
    text = render("minio/minio.j2", {**words, "kes": kes, "auto_encryption": False, "environment": taken})
    lines = text.partition('_MINIO_BATCH_KEYROTATION_WORKERS="1"\n')[2].split("\n")[:-1]
    assert sorted(lines) == sorted(f'{name}="{value}"' for name, value in taken.items())
    assert not any(name.startswith("MINIO_KMS_KES") for name in taken)
    assert not any(value.startswith("env") for value in taken.values())

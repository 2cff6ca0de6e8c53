"""What is rendered is read back unchanged by the server it is for, or refused with a reason."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from kesdeploy.errors import UsageError
from kesdeploy.minio_rules import unreadable
from kesdeploy.render import as_hcl, as_yaml, minio_env, render

# unicode.IsSpace of Go: what strings.TrimSpace takes off.
GO_SPACE = "".join(
    map(chr, [*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000])
)
LONGEST_LINE = 64 * 1024
TRICKY = st.text(alphabet=st.one_of(st.sampled_from("\"'$#=\\` \t{}%env!:@\n\r\x85\xa0\u2028"), st.characters()))
TEXT = st.one_of(st.text(), TRICKY)


class Malformed(Exception):
    """MinIO ends with exit code 1."""


def minio_lines(text: str) -> list[str]:
    """bufio.Scanner with ScanLines: split at newlines, one carriage return taken off, no line of 64 KiB."""
    lines = text.split("\n")
    if any(len(line.encode()) >= LONGEST_LINE for line in lines):
        raise Malformed("bufio.Scanner: token too long")
    return [line.removesuffix("\r") for line in lines]


def minio_entry(line: str) -> tuple[str, str] | None:
    """parsEnvEntry of cmd/common-main.go, line by line (RELEASE.2025-04-22T22-12-26Z)."""
    entry = line.strip(GO_SPACE)
    if not entry or entry.startswith("#"):
        return None
    tokens = entry.removeprefix("export").strip(GO_SPACE).split("=", 1)
    if len(tokens) != 2:
        raise Malformed(entry)
    key, value = tokens
    raw = value.encode()
    if len(raw) >= 2 and raw[:1] in (b'"', b"'") and raw[-1:] == raw[:1]:
        value = value[1:-1]
    return key, value


def minio_get(value: str) -> str:
    """env.Get of minio/pkg: trimmed, and blanked when it looks like the address of a remote configuration."""
    trimmed = value.strip(GO_SPACE)
    return "" if trimmed.startswith("env") else trimmed


def minio_reads(text: str) -> dict[str, str]:
    entries = [entry for line in minio_lines(text) if (entry := minio_entry(line))]
    assert not any("\0" in value for _, value in entries), "os.Setenv refuses a NUL"
    return {key: minio_get(value) for key, value in entries}


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        # cmd/common-main_test.go and what was seen with the real server
        ("MINIO_ROOT_USER=minioadmin", ("MINIO_ROOT_USER", "minioadmin")),
        ("# simple comment", None),
        ("", None),
        ("   ", None),
        ('MINIO_ROOT_PASSWORD="minio123"', ("MINIO_ROOT_PASSWORD", "minio123")),
        ("MINIO_ROOT_PASSWORD='minio123'", ("MINIO_ROOT_PASSWORD", "minio123")),
        ("export MINIO_ROOT_USER=minio", ("MINIO_ROOT_USER", "minio")),
        ("exporter_x=1", ("er_x", "1")),
        ("X=abc # note", ("X", "abc # note")),
        ('X="abc" # note', ("X", '"abc" # note')),
        ("X=a=b", ("X", "a=b")),
        ('X="', ("X", '"')),
        ("X=\"a'", ("X", "\"a'")),
        ("FOO = x", ("FOO ", " x")),
    ],
)
def test_the_parser_of_minio_as_it_is_known(line, entry):
    assert minio_entry(line) == entry


@given(TEXT)
@example('"')
@example("''")
@example("env")
@example("# no comment")
@example("a\x1c")
@example("$HOME `id` \\n %41")
@example("x" * 70_000)
def test_a_password_is_read_back_or_refused(value):
    if reason := unreadable(value):
        with pytest.raises(UsageError) as caught:
            minio_env(value, "root password")
        assert caught.value.because == reason
        assert value not in str(caught.value) or len(value) < 4
    else:
        text = f"A={minio_env('1', 'first')}\nMINIO_ROOT_PASSWORD={minio_env(value, 'root password')}\nZ=2\n"
        assert minio_reads(text) == {"A": "1", "MINIO_ROOT_PASSWORD": value, "Z": "2"}


@pytest.mark.parametrize(
    "value",
    [
        "p",
        'a"b',
        "'a'",
        '"a"',
        "a b",
        "a#b",
        "#a",
        "a=b",
        "=",
        "$HOME",
        "${X}",
        "a\\",
        "\\n",
        "pässwörd",
        "密码",
        "a\tb",
        "x;y",
        "Env",
    ],
)
def test_no_password_is_refused_without_need(value):
    assert unreadable(value) == ""


@pytest.mark.parametrize("value", [" a", "a ", "\xa0a", "a\x85", "a\nb", "a\r", "a\0", "envoy", "env", "x" * 65_537])
def test_what_minio_would_lose_is_refused(value):
    assert unreadable(value)


@given(TEXT)
@example("\x85")
@example("\u2028")
@example("\x7f")
@example("\ufeff")
@example("\U0001f600")
@example("- [a]: *b # c")
def test_text_survives_yaml(value):
    assert yaml.safe_load(f"a: {as_yaml(value)}\nb: [{as_yaml(value)}]\n") == {"a": value, "b": [value]}


@pytest.mark.parametrize("value", ["on", "off", "null", "0s", "1e3", "0123", "2024-01-11", "~", ""])
def test_text_stays_text_in_yaml(value):
    assert yaml.safe_load(as_yaml(value)) == value


@pytest.mark.parametrize("value", [True, 7373, None, ["a", "b"], {"a": ["b"]}])
def test_other_values_stay_what_they_are(value):
    assert yaml.safe_load(as_yaml(value)) == value


ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "\\": "\\"}


def hcl1(text: str) -> str:
    """A quoted string as HCL 1 reads it (hcl/scanner and hcl/strconv): `${…}` is kept as it stands, quotes and all."""
    assert text[0] == text[-1] == '"'
    body, found = text[1:-1], ""
    while body:
        if body.startswith("${"):
            raise AssertionError("interpolation")
        if body[0] in '"\n':
            raise AssertionError("the string ends early")
        if escape := re.match(r"\\u([0-9a-f]{4})", body):
            found, body = found + chr(int(escape[1], 16)), body[6:]
        elif body[0] == "\\":
            found, body = found + ESCAPES[body[1]], body[2:]
        else:
            found, body = found + body[0], body[1:]
    return found


@given(TEXT)
@example("a${b}c")
@example("$${x}")
@example('${"')
@example("%{if}")
@example('quote " and \\')
def test_text_survives_hcl(value):
    assume("\0" not in value)
    text = as_hcl(value)
    assert hcl1(text) == value
    # HCL 2 would take this for a template directive.
    assert "%{" not in text


CONTEXT = {
    "keys": ["minio-backend-default-key"],
    "admin": "disabled",
    "ca": "",
    "prefix": "",
    "policies": {},
    "api": {},
    "minio_identity": "a" * 64,
    "operator_identity": "b" * 64,
    "cache": {"any": "5m", "unused": "30s", "offline": "0s"},
    "log": {"error": "info", "audit": "info"},
    "keystore": {"kind": "fs", "path": "/keys"},
}
MINIO = {
    "root_user": "admin-0123456789",
    "root_password": "p" * 32,
    "volumes": "/data",
    "console_url": "http://127.0.0.1:9001",
    "kes": {
        "endpoint": "https://demo-kes-server:7373",
        "ca": "/certs/CAs",
        "certificate": False,
        "api_key": "kes:v1:AGaV6VXHasF0FnaB60WdCOeTZ8eTIDikL4zlN16c8NAs",
    },
    "key_name": "minio-backend-default-key",
    "auto_encryption": True,
    "environment": {},
}


def test_the_configuration_of_kes(golden):
    golden("render/kes-config-fs.yaml", render("kes/kes-config.yaml.j2", CONTEXT))


def test_the_configuration_of_kes_while_identities_change(golden):
    """Both are trusted; of MinIO's, only the new one may ask for a key that is nowhere."""
    changing = {"former": {"minio": "c" * 64, "operator": "d" * 64}, "nobodys_key": "kesdeploy-who-asks"}
    golden("render/kes-config-rotating.yaml", render("kes/kes-config.yaml.j2", {**CONTEXT, **changing}))


def test_minio_may_create_no_key_of_the_deployment():
    config = yaml.safe_load(render("kes/kes-config.yaml.j2", CONTEXT | {"keys": ["other", "photos-key"]}))
    assert config["policy"]["minio"]["deny"] == ["/v1/key/create/other", "/v1/key/create/photos-key"]


def test_the_environment_of_minio(golden):
    golden("render/minio", render("minio/minio.j2", MINIO))


def test_minio_reads_its_environment_back():
    read = minio_reads(render("minio/minio.j2", MINIO | {"root_password": 'a"b $x #1 \\'}))
    assert read["MINIO_ROOT_PASSWORD"] == 'a"b $x #1 \\'
    assert read["MINIO_KMS_KES_API_KEY"] == MINIO["kes"]["api_key"]
    assert read["MINIO_KMS_AUTO_ENCRYPTION"] == "on"


def test_a_login_with_a_certificate_has_no_api_key_and_public_roots_no_path():
    kes = {"endpoint": "https://a:7373,https://b:7373", "ca": "", "certificate": True}
    read = minio_reads(render("minio/minio.j2", MINIO | {"kes": kes}))
    assert {name.removeprefix("MINIO_KMS_"): value for name, value in read.items() if "_KMS_" in name} == {
        "KES_ENDPOINT": "https://a:7373,https://b:7373",
        "KES_CERT_FILE": "/config/client.crt",
        "KES_KEY_FILE": "/config/client.key",
        "KES_KEY_NAME": "minio-backend-default-key",
        "AUTO_ENCRYPTION": "on",
    }


def test_auto_encryption_off_is_not_said_at_all():
    # An empty MINIO_KMS_… counts as set.
    assert "AUTO_ENCRYPTION" not in render("minio/minio.j2", MINIO | {"auto_encryption": False})


@pytest.mark.parametrize("missing", CONTEXT)
def test_a_variable_that_is_missing_is_an_error_in_kes(missing):
    with pytest.raises(UndefinedError):
        render("kes/kes-config.yaml.j2", {name: value for name, value in CONTEXT.items() if name != missing})


@pytest.mark.parametrize("missing", MINIO)
def test_a_variable_that_is_missing_is_an_error_in_minio(missing):
    with pytest.raises(UndefinedError):
        render("minio/minio.j2", {name: value for name, value in MINIO.items() if name != missing})


def test_a_value_in_a_mapping_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        render("kes/kes-config.yaml.j2", CONTEXT | {"keystore": {"kind": "fs"}})

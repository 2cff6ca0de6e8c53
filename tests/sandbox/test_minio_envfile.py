from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy.minio_rules import unreadable
from kesdeploy.render import minio_env
from kesdeploy.sandbox.minio import envfile, settings
from kesdeploy.sandbox.minio.errors import Fatal


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("A=b", ("A", "b")),
        ("  A=b  ", ("A", "b")),
        ("export A=b", ("A", "b")),
        ("exportA=b", ("A", "b")),
        ("exporter_A=b", ("er_A", "b")),
        ("A = b", ("A ", " b")),
        ('A="b c"', ("A", "b c")),
        ("A='b'", ("A", "b")),
        ("A=\"b'", ("A", "\"b'")),
        ('A="', ("A", '"')),
        ('A=""', ("A", "")),
        ('A="b" # note', ("A", '"b" # note')),
        ("A=b # note", ("A", "b # note")),
        ("A=$B", ("A", "$B")),
        ("A=b\\", ("A", "b\\")),
        ("A=b=c", ("A", "b=c")),
        ("A=b\r", ("A", "b")),
    ],
)
def test_one_line(line, entry):
    assert envfile.parse(line) == [entry]


def test_what_is_no_line():
    assert envfile.parse("\n# note\n   \n") == []
    with pytest.raises(Fatal, match="envEntry malformed; nonsense, expected to be of form 'KEY=value'"):
        envfile.parse("nonsense")


def test_the_file_beats_the_environment_and_may_be_missing(tmp_path):
    env = {"A": "1", "B": "2"}
    (tmp_path / "env").write_text("A=3\n")
    envfile.load(str(tmp_path / "env"), env)
    envfile.load(str(tmp_path / "none"), env)
    assert env == {"A": "3", "B": "2"}


def read(*words, **env):
    return settings.read(["server", *words], {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": "password", **env})


def test_flags_and_environment():
    found = read("/data", "--address", ":1", "--console-address=:2", "--certs-dir", "/certs")
    assert (found.drives, found.address, found.console, found.certs) == (("/data",), ":1", ":2", "/certs")
    assert read("/data", MINIO_VOLUMES="/d{1...3}").drives == ("/d1", "/d2", "/d3")
    assert read("/data", MINIO_KMS_AUTO_ENCRYPTION="on").auto_encryption
    assert not read("/data", MINIO_KMS_AUTO_ENCRYPTION="yes").auto_encryption


def test_values_that_begin_with_env_vanish():
    found = read("/data", MINIO_ROOT_USER="envoy", MINIO_ROOT_PASSWORD="environment1")
    assert (found.user, found.password) == ("minioadmin", "minioadmin")


def test_secrets_are_not_shown():
    assert "s3cr3t-s3cr3t" not in repr(read("/data", MINIO_ROOT_PASSWORD="s3cr3t-s3cr3t"))


VARIABLES = st.from_regex(r"[A-Z_]{1,12}", fullmatch=True)
VALUES = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)


@given(st.dictionaries(VARIABLES, VALUES, max_size=4))
@example({"A": '"'})
@example({"A": "''"})
@example({"A": "# no comment", "B": "$HOME"})
def test_what_we_write_for_minio_the_stand_in_reads(values):
    """One rule for both: a password that works here works there."""
    writable = {name: value for name, value in values.items() if not unreadable(value)}
    text = "".join(f"{name}={minio_env(value, name)}\n" for name, value in writable.items())
    assert dict(envfile.parse(text)) == writable


@given(st.text())
def test_any_file_is_read_or_refused_in_minios_words(text):
    try:
        entries = envfile.parse(text)
    except Fatal as error:
        told = str(error)
        assert "envEntry malformed" in told
    else:
        assert all(isinstance(part, str) for entry in entries for part in entry)


@pytest.mark.parametrize("drives", [1, 2, 9, 16])
def test_the_folders_that_we_make_are_the_drives_that_it_opens(drives):
    """`minio.drives` of a spec: what topology writes as MINIO_VOLUMES, and the folders it makes for it."""
    volumes = "/data" if drives == 1 else f"/data/d{{1...{drives}}}"
    wanted = ("/data",) if drives == 1 else tuple(f"/data/d{n}" for n in range(1, drives + 1))
    assert read(MINIO_VOLUMES=volumes).drives == wanted


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"MINIO_ROOT_PASSWORD": "short"}, "length should be at least"),
        ({"MINIO_ROOT_USER": "ab"}, "length should be at least"),
        ({"MINIO_ROOT_USER": ""}, 'Missing credential environment variable, "MINIO_ROOT_USER"'),
        ({"MINIO_ROOT_PASSWORD": "environment"}, 'Missing credential environment variable, "MINIO_ROOT_PASSWORD"'),
        ({"MINIO_KMS_KES_ENDPOINT": "https://k"}, "missing 'MINIO_KMS_KES_KEY_NAME'"),
        ({"MINIO_KMS_KES_ENDPOINT": "h", "MINIO_KMS_KES_KEY_NAME": "k"}, "missing authentication method"),
        (
            {"MINIO_KMS_KES_ENDPOINT": "h", "MINIO_KMS_KES_KEY_NAME": "k", "MINIO_KMS_KES_CERT_FILE": "c"},
            "missing 'MINIO_KMS_KES_KEY_FILE'",
        ),
        (
            {
                "MINIO_KMS_KES_ENDPOINT": "h",
                "MINIO_KMS_KES_KEY_NAME": "k",
                "MINIO_KMS_KES_API_KEY": "a",
                "MINIO_KMS_KES_CERT_FILE": "c",
            },
            "client certificate is present",
        ),
        ({"MINIO_KMS_KES_API_KEY": "", "MINIO_KMS_SECRET_KEY": "x:y"}, "static KMS key is present"),
        ({"MINIO_KMS_SECRET_KEY": "x:y"}, "knows KES alone"),
    ],
)
def test_settings_that_minio_does_not_start_with(env, words):
    with pytest.raises(Fatal, match=words):
        read("/data", **env)


def test_several_kes_servers_as_minio_writes_them():
    kes = read(
        "/data",
        MINIO_KMS_KES_ENDPOINT="https://kes{1...3}:7373, https://other:7373",
        MINIO_KMS_KES_KEY_NAME="k",
        MINIO_KMS_KES_API_KEY="kes:v1:x",
    ).kms
    assert kes.endpoints == ("https://kes1:7373", "https://kes2:7373", "https://kes3:7373", "https://other:7373")
    assert "kes:v1:x" not in repr(kes)

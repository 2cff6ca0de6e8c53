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

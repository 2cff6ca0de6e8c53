"""Variables of compose files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.importing import imported
from kesdeploy.importing.interpolation import interpolated, variables

KNOWN = {"USER": "anna", "EMPTY": "", "PRICE": "$USER"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("$USER", "anna"),
        ("${USER}", "anna"),
        ("a-${USER}.b", "a-anna.b"),
        ("$$USER", "$USER"),
        ("$OTHER", "$OTHER"),
        ("${OTHER}", "${OTHER}"),
        ("${OTHER:-bob}", "bob"),
        ("${OTHER-bob}", "bob"),
        ("${EMPTY-bob}", ""),
        ("${EMPTY:-bob}", "bob"),
        ("${USER:-bob}", "anna"),
        ("${USER:+there}", "there"),
        ("${EMPTY:+there}", ""),
        ("${EMPTY+there}", "there"),
        ("${OTHER:?say it}", "${OTHER:?say it}"),
        ("${USER:?say it}", "anna"),
        ("100$", "100$"),
        ("${OTHER:-${USER}}", "anna"),
        ("${OTHER:-${THIRD:-bob}}", "bob"),
        ("${OTHER:-${THIRD}}", "${OTHER:-${THIRD}}"),
        ("${OTHER:-$$USER}", "$USER"),
        ("${PRICE}", "$USER"),
    ],
)
def test_as_compose_reads_it(written, meant):
    assert interpolated({"a": [written, 1, None]}, KNOWN) == {"a": [meant, 1, None]}


@given(st.text())
def test_what_has_no_variable_is_left_alone(text):
    plain = text.replace("$", "")
    assert interpolated(plain, KNOWN) == plain


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A = b ", "b"),
        ("A: b", "b"),
        ("export A=b", "b"),
        ("A=b c  # a comment", "b c"),
        ("A=b#c", "b#c"),
        ("A=# nothing", ""),
        ("A='b # $USER' # a comment", "b # $USER"),
        ('A="b # c"   # a comment', "b # c"),
        ('A="b\\n\\"c\\$USER"', 'b\n"c$USER'),
        ('A="two\nlines"', "two\nlines"),
        ("USER=anna\nA=${USER}-$USER", "anna-anna"),
        ('USER=anna\nA="x $USER"', "x anna"),
        ("A=$LATER\nLATER=x", "$LATER"),
        ("A=$$b", "$b"),
        ("\ufeffA=b", "b"),
        ("A=b\r\nB=c\r\n", "b"),
        ("A=pass'word", "pass'word"),
    ],
)
def test_the_file_of_variables(line, value):
    assert variables(line)["A"] == value


@given(st.text())
def test_no_file_of_variables_is_too_wild(text):
    variables(text)


COMPOSE = """\
services:
  minio:
    image: minio/minio:${TAG:-latest}
    ports: ["${PORT}:9000"]
    environment:
      MINIO_ROOT_USER: ${ROOT_USER}
      MINIO_ROOT_PASSWORD: ${ROOT_PASSWORD}
"""


def test_the_file_beside_it_says_what_they_are(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    (tmp_path / ".env").write_text("# ours\nROOT_USER=anna\nROOT_PASSWORD='a long one'\nPORT=9100\n")
    found = imported([file])
    assert found.tree["minio"]["root_user"] == "anna"
    assert found.tree["network"]["s3_port"] == 9100
    assert found.secrets == {"root-password": "a long one"}
    assert "image minio/minio:latest" in [remark.what for remark in found.remarks]


def test_what_only_a_shell_knows_is_asked_for(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    found = imported([file])
    assert found.tree["minio"] == {"root_password": "env:ROOT_PASSWORD"}
    assert "${ROOT_USER} is not set here" in [remark.what for remark in found.remarks]


@pytest.mark.parametrize("environment", ["[MINIO_ROOT_PASSWORD]", "{MINIO_ROOT_PASSWORD: }"])
def test_what_is_passed_on_from_a_shell_is_read_from_there(tmp_path, environment):
    file = tmp_path / "compose.yaml"
    file.write_text(f"services:\n  minio: {{image: minio/minio, environment: {environment}}}\n")
    assert imported([file]).tree["minio"] == {"root_password": "env:MINIO_ROOT_PASSWORD"}
    (tmp_path / ".env").write_text("MINIO_ROOT_PASSWORD=known-by-now")
    assert imported([file]).secrets == {"root-password": "known-by-now"}


def test_a_password_with_a_hole_is_none(tmp_path):
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("${ROOT_PASSWORD}", "before-${HOLE}-after"))
    found = imported([file])
    assert (found.secrets, "root_password" in found.tree.get("minio", {})) == ({}, False)
    assert "${HOLE} is not set here" in [remark.what for remark in found.remarks]

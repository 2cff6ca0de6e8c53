"""Variables of compose files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.importing import imported
from kesdeploy.importing.interpolation import interpolated

KNOWN = {"USER": "anna", "EMPTY": ""}


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
    ],
)
def test_as_compose_reads_it(written, meant):
    assert interpolated({"a": [written, 1, None]}, KNOWN) == {"a": [meant, 1, None]}


@given(st.text())
def test_what_has_no_variable_is_left_alone(text):
    plain = text.replace("$", "")
    assert interpolated(plain, KNOWN) == plain


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

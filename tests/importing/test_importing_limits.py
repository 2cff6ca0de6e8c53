"""Limits and restart policies, as compose files and commands have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy import lacking
from kesdeploy.importing import commands, compose, imported
from kesdeploy.importing.limits import from_limits
from kesdeploy.keystores import KEYSTORES

COMPOSE = """\
services:
  kes:
    image: minio/kes:2025-03-12T09-35-18Z
    restart: always
    mem_limit: 512m
    cpus: 0.5
  minio:
    image: minio/minio
    restart: always
    deploy:
      resources:
        limits: {cpus: '1.50', memory: 1G}
  nginx:
    image: nginx
    mem_limit: 64m
    restart: 'no'
"""
COMMANDS = """\
podman run -d --name kes -m 256m --restart=on-failure:3 quay.io/minio/kes:2025-03-12T09-35-18Z server
podman run -d --name minio --memory 2g --cpus=2 --restart on-failure quay.io/minio/minio server /data
"""


def of(**values) -> tuple[dict, list[str]]:
    body = {"image": "minio/minio", **values}
    (service,) = compose.services({"services": {"minio": body}}, "compose.yml", Path(), {})
    found = from_limits(service)
    return dict(found.settings), [remark.what for remark in found.remarks]


def test_a_compose_file(tmp_path):
    (tmp_path / "compose.yml").write_text(COMPOSE)
    found = imported([tmp_path / "compose.yml"])
    assert found.tree["limits"] == {
        "kes": {"cpus": 0.5, "memory": "512MiB"},
        "minio": {"cpus": 1.5, "memory": "1GiB"},
    }
    assert found.tree["restart"] == "always"
    lacking.loaded({**found.tree, "name": "x", "keystore": {"fs": {}}}, KEYSTORES)


def test_commands():
    kes, minio = commands.services(COMMANDS, "run.sh", Path())
    assert from_limits(kes).settings == {"limits.kes.memory": "256MiB", "restart": "on-failure"}
    assert from_limits(minio).settings == {
        "limits.minio.memory": "2GiB",
        "limits.minio.cpus": 2.0,
        "restart": "on-failure",
    }


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("512m", "512MiB"),
        ("512MB", "512MiB"),
        ("512MiB", "512MiB"),
        ("1.5g", "1536MiB"),
        ("2T", "2TiB"),
        (1073741824, "1GiB"),
        ("1000000000b", "976563KiB"),
        ("1500k", "1500KiB"),
    ],
)
def test_sizes_as_docker_reads_them(written, size):
    assert of(mem_limit=written) == ({"limits.minio.memory": size}, [])


@pytest.mark.parametrize("written", [0, "0", None, ""])
def test_nothing_is_no_limit(written):
    assert of(mem_limit=written, cpus=written) == ({}, [])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"mem_limit": "lots"}, "memory lots is not taken over"),
        ({"mem_limit": "${MEM}"}, "memory ${MEM} is not taken over"),
        ({"cpus": "half"}, "cpus half is not taken over"),
        ({"restart": "sometimes"}, "restart sometimes is not taken over"),
    ],
)
def test_what_nobody_understands_is_told(values, told):
    assert of(**values) == ({}, [told])


@pytest.mark.parametrize(("written", "policy"), [(False, "no"), ("no", "no"), ("on-failure:5", "on-failure")])
def test_restart_policies(written, policy):
    assert of(restart=written) == ({"restart": policy}, [])


def test_two_policies_are_told(tmp_path):
    (tmp_path / "compose.yml").write_text(COMPOSE.replace("restart: always", "restart: unless-stopped", 1))
    found = imported([tmp_path / "compose.yml"])
    assert found.tree["restart"] == "unless-stopped"
    assert "'unless-stopped' in one place, 'always' in another" in [remark.what for remark in found.remarks]


def test_what_is_too_small_is_left_out_with_the_reason(tmp_path):
    (tmp_path / "compose.yml").write_text(COMPOSE.replace("512m", "1m"))
    found = imported([tmp_path / "compose.yml"])
    assert "memory" not in found.tree["limits"]["kes"]
    assert [remark.where for remark in found.remarks if "cannot be taken over" in remark.what] == ["limits.kes.memory"]


@given(st.text(), st.text(), st.text())
def test_none_is_too_wild(memory, cpus, restart):
    of(mem_limit=memory, cpus=cpus, restart=restart)

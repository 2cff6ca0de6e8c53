"""Which port of a compose file is which, what MinIO's drives are, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from kesdeploy.importing import Import, imported

if TYPE_CHECKING:
    from pathlib import Path

KES = {"image": "minio/kes", "command": "server"}


def _imported(folder: Path, **minio: object) -> Import:
    file = folder / "compose.yaml"
    file.write_text(yaml.safe_dump({"services": {"minio": {"image": "minio/minio", **minio}, "kes": KES}}))
    return imported([file])


@pytest.mark.parametrize(
    ("command", "ports", "expected"),
    [
        ("server /data", ["9000:9000", "9001:9001"], {}),
        ("server /data", ["21060:9000"], {"s3_port": 21060}),
        ("server /data --console-address :9443", ["21851:9443"], {"console_port": 21851}),
        ("server /data --address :9002 --console-address=:9003", ["9000:9002", "9100:9003"], {"console_port": 9100}),
        ("server /data --address 0.0.0.0:9002", ["127.0.0.1:21850:9002"], {"s3_port": 21850}),
        ("server /data --console-address $PORT", ["9005:9001"], {"console_port": 9005}),
    ],
)
def test_ports_are_those_that_minio_was_told_to_use(tmp_path, command, ports, expected):
    found = _imported(tmp_path, command=command, ports=ports)
    assert found.tree.get("network", {}) == expected


def test_who_is_open_is_called_by_the_port_that_others_see(tmp_path):
    found = _imported(tmp_path, command="server /data", ports=["21060:9000", "127.0.0.1:9001:9001"])
    assert [r.what for r in found.remarks if "open to everybody" in r.what] == ["port 21060 is open to everybody"]


@pytest.mark.parametrize("command", ["server /data{1...4}", "server /data1 /data2 /data3 /data4"])
def test_drives_are_counted_and_looked_for_one_by_one(tmp_path, command):
    volumes = [f"/srv/{number}:/data{number}" for number in (1, 2, 3)]
    found = _imported(tmp_path, command=command, volumes=volumes)
    assert found.tree["minio"]["drives"] == 4
    said = [r.what for r in found.remarks]
    assert [text for text in said if "not mounted" in text] == ["/data4 is not mounted"]
    assert [text for text in said if "objects stay" in text] == [f"its objects stay in /srv/{n}" for n in (1, 2, 3)]


def test_a_program_and_the_value_of_an_option_are_no_drives(tmp_path):
    command = "/usr/bin/minio server --quiet --certs-dir /certs --json /data"
    said = [r.what for r in _imported(tmp_path, command=command, volumes=["./d:/data"]).remarks]
    assert not any("not mounted" in text for text in said)
    assert [text for text in said if "objects stay" in text] == [f"its objects stay in {tmp_path}/d"]


def test_a_health_check_is_told(tmp_path):
    found = _imported(tmp_path, command="server /data", healthcheck={"test": ["CMD", "mc", "ready", "local"]})
    assert "its health check is not taken over" in [r.what for r in found.remarks]


def test_a_password_of_a_variable_is_told(tmp_path):
    found = _imported(tmp_path, command="server /data", environment={"MINIO_ROOT_PASSWORD": "${PW}"})
    assert found.tree["minio"]["root_password"] == "env:PW"
    assert "is read from the variable ${PW}" in [r.what for r in found.remarks]

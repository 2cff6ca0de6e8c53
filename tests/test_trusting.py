"""Commands to copy: each names the right file, whatever is in its path."""

from __future__ import annotations

import ast
import shlex

import pytest

from kesdeploy.trusting import Target, ways

S3 = Target("photos", "/home/me/minio-kes-photos/ca/ca.crt", "https://127.0.0.1:9000")
KES = Target(
    "photos", "/home/me/minio-kes-photos/ca/ca.crt", "https://127.0.0.1:7373", ("/s/operator.crt", "/s/operator.key")
)
ODD = Target("photos", "/home/o'neil/my \"own\" CA's/ca.crt", "https://[::1]:9000")


def _text(target: Target) -> str:
    return "".join(
        f"{way.client} ({way.note})\n" + "".join(f"  {line}\n" for line in way.lines) for way in ways(target)
    )


@pytest.mark.parametrize(("name", "target"), [("s3", S3), ("kes", KES)])
def test_all_of_it_as_text(name, target, golden):
    golden(f"trusting/{name}.txt", _text(target))


def test_everybody_whom_people_ask_about():
    clients = " ".join(way.client for way in ways(S3))
    for client in ("curl", "requests", "boto3", "minio", "mc", "Java", "Go", "Debian", "Fedora", "macOS", "Windows"):
        assert client in clients


@pytest.mark.parametrize("client", ["curl", "AWS CLI, boto3", "Python requests", "mc", "Debian, Ubuntu", "macOS"])
def test_a_shell_reads_an_odd_path_as_it_is(client):
    (line,) = next(way.lines for way in ways(ODD) if way.client == client)
    assert ODD.ca in " ".join(shlex.split(line))


@pytest.mark.parametrize("client", ["boto3, in code", "Python minio"])
def test_python_does_too(client):
    (line,) = next(way.lines for way in ways(ODD) if way.client == client)
    values = [node.value for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Constant)]
    assert ODD.ca in values

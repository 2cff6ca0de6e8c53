"""Imports point down only, pure modules do no I/O, only the command line exits, only the console prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import LAYERS, Code, layer

CODE = Code(Path(__file__).parents[1] / "kesdeploy")


def test_the_code_keeps_the_rules():
    assert CODE.problems() == []


def test_no_module_leads_back_to_itself():
    assert CODE.cycles() == []


def test_no_layer_is_named_for_nothing():
    """A module that was renamed would leave its rule behind."""
    names = {word for words in LAYERS for word in words if word}
    known = set(CODE.modules) | {f"{name}.*" for name in CODE.modules}
    assert names - known == set()


def test_the_way_down_that_is_documented():
    way = [
        "cli",
        "wizard",
        "console",
        "deploy",
        "apply",
        "topology",
        "keystores",
        "engines.podman",
        "resources",
        "spec",
        "errors",
    ]
    ranks = [layer(name) for name in way]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert layer("apply") == layer("verify")
    assert layer("topology") == layer("plan") == layer("state")
    assert layer("clients.kes") == layer("pki") == layer("engines.podman")


@pytest.fixture
def tree(tmp_path):
    """Write modules, and hear what is wrong with them."""

    def problems(**files: str) -> list[str]:
        for name, text in {"__init__": "", **files}.items():
            path = (tmp_path / "kesdeploy").joinpath(*name.split("__in__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        code = Code(tmp_path / "kesdeploy")
        return code.problems() + code.cycles()

    return problems


@pytest.mark.parametrize(
    "text",
    [
        "from kesdeploy.deploy import up",
        "from kesdeploy import deploy",
        "import kesdeploy.deploy",
        "from . import deploy",
        "from .deploy import up",
        "def f():\n    from kesdeploy import deploy",
        "if TYPE_CHECKING:\n    from kesdeploy.deploy import Up",
    ],
)
def test_an_import_that_points_up_is_found(tree, text):
    assert tree(spec=text, deploy="") == ["spec imports deploy, which stands above it"]


def test_inside_packages_too(tree):
    files = {
        "engines__in____init__": "",
        "engines__in__podman": "from kesdeploy.keystores.fs import Fs",
        "keystores__in____init__": "",
        "keystores__in__fs": "from ..cli import main",
        "cli__in____init__": "",
    }
    assert tree(**files) == [
        "engines.podman imports keystores.fs, which stands above it",
        "keystores.fs imports cli, which stands above it",
    ]


def test_an_import_that_points_down_is_fine(tree):
    files = {"cli__in____init__": "from kesdeploy.deploy import up", "deploy": "from kesdeploy import spec", "spec": ""}
    assert tree(**files) == []


def test_neighbours_may_use_one_another_but_not_in_a_circle(tree):
    assert tree(state="from kesdeploy import plan", plan="") == []
    assert tree(state="from kesdeploy import plan", plan="from kesdeploy import state") == ["plan", "state"]


def test_a_module_without_a_place_is_found(tree):
    assert tree(utils="") == ["utils: no layer: give it one in tests/layers.py"]


@pytest.mark.parametrize("module", ["spec", "resources", "topology", "plan"])
@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "from os.path import join",
        "import time",
        "from subprocess import run",
        "import socket as s",
        "from pathlib import Path",
        "def f():\n    import requests",
        "import urllib.request",
        "from importlib import resources",
    ],
)
def test_a_pure_module_with_input_or_output_is_found(tree, module, text):
    (found,) = tree(**{module: text})
    assert found.startswith(f"{module} is pure, and imports ")


@pytest.mark.parametrize(
    "text", ["import re", "from datetime import datetime", "from os_release import x", "import ipaddress"]
)
def test_what_a_pure_module_may_import(tree, text):
    assert tree(spec=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "sys.exit(1)",
        "raise SystemExit(1)",
        "raise SystemExit",
        "os._exit(1)",
        "raise typer.Exit(2)",
        "raise typer.Exit",
        "exit()",
        "raise Exit",
    ],
)
def test_who_exits_is_found(tree, text):
    assert len(tree(deploy=text)) == 1
    assert len(tree(deploy="", clients__in____init__=text)) == 1
    assert tree(deploy="", clients__in____init__="", cli__in____init__=text, __main__=text) == []


@pytest.mark.parametrize("text", ["print('x')", "sys.stdout.write('x')", "typer.echo('x')", "rich.print('x')"])
def test_who_prints_is_found(tree, text):
    (found,) = tree(deploy=f"def f():\n    {text}")
    assert found.startswith("deploy prints: ")
    assert found.endswith(", line 2")
    assert tree(deploy="", console=text) == []


@pytest.mark.parametrize(
    "text",
    [
        "# for MinIO",
        "LABEL = 'minio-kes'",
        "NAME = 'kes-server'",
        "'OpenBao'",
        "def vault(): ...",
        "kes = 1",
        "KES = 1",
        "'/kes'",
    ],
)
def test_an_engine_that_knows_a_service_is_found(tree, text):
    (found,) = tree(engines__in____init__="", engines__in__podman=text)
    assert found.startswith("engines.podman names a service: ")


@pytest.mark.parametrize(
    "text", ["from kesdeploy.errors import EngineError", "LABEL = 'kesdeploy.x'", "takes, makes, likes = 1, 2, 3"]
)
def test_the_name_of_the_package_is_none(tree, text):
    assert tree(engines__in____init__=text, errors="EngineError = 1") == []

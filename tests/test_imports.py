"""What is slow to import is imported by who needs it: `--help`, `--version` and completion answer at once."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "podman",
    "docker",
    "minio",
    "hvac",
    "jinja2",
    "rich",
    "requests",
    "urllib3",
    "tenacity",
    "httpx",
    "cryptography.x509",
}
# Needed by the Spec, and by nothing that answers without one.
OF_THE_SPEC = {"yaml", "pydantic", "cryptography"}
MOST_MODULES = 164


def imported(*argv: str, **environment: str) -> set[str]:
    """Every module that a run of Python loads."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", *argv],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = [line.rsplit("|", 1)[1].strip() for line in run.stderr.splitlines() if line.startswith("import time:")]
    assert run.returncode == 0, run.stderr[-2000:]
    assert "sys" in lines or "site" in lines
    return set(lines)


def loaded(modules: set[str], unwanted: set[str]) -> set[str]:
    return {name for name in modules if any(name == word or name.startswith(f"{word}.") for word in unwanted)}


@pytest.fixture(scope="module")
def of_help() -> set[str]:
    return imported("-m", "kesdeploy", "--help")


def test_help_loads_nothing_slow(of_help):
    assert loaded(of_help, HEAVY | OF_THE_SPEC) == set()


def test_nor_does_importing_it():
    assert loaded(imported("-c", "import kesdeploy.__main__"), HEAVY | OF_THE_SPEC) == set()


def test_help_stays_small(of_help):
    """Time differs between machines; what is loaded beyond Python's own start does not."""
    assert len(of_help - imported("-c", "")) <= MOST_MODULES


@pytest.mark.parametrize("argv", [("--version",), ("up", "--help"), ("images", "--help")])
def test_what_only_parses_loads_nothing_that_talks(argv):
    # Typer itself checks values with pydantic.
    assert loaded(imported("-m", "kesdeploy", *argv), HEAVY | {"yaml", "cryptography"}) == set()


def test_completion_of_a_command_loads_nothing_slow():
    environment = {"_KESDEPLOY_COMPLETE": "complete_bash", "COMP_WORDS": "kesdeploy sta", "COMP_CWORD": "1"}
    code = "import sys; sys.argv[0] = 'kesdeploy'; from kesdeploy.__main__ import main; main()"
    assert loaded(imported("-c", code, **environment), HEAVY | {"yaml", "cryptography"}) == set()


def at_top(tree: ast.Module) -> set[str]:
    """Imports that happen when the module is imported: not in functions, not for types alone."""
    found: set[str] = set()
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        todo += ast.iter_child_nodes(node)
    return found


MODULES = sorted(path for path in (ROOT / "kesdeploy").rglob("*.py") if "sandbox" not in path.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "kesdeploy")))
def test_no_module_loads_something_slow_at_its_top(path):
    assert loaded(at_top(ast.parse(path.read_text())), HEAVY) == set()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import podman", {"podman"}),
        ("from rich.table import Table", {"rich.table.Table"}),
        ("from cryptography import x509", {"cryptography.x509"}),
        ("try:\n    import requests.adapters\nexcept ImportError: ...", {"requests.adapters"}),
        ("class A:\n    import hvac", {"hvac"}),
        ("if not TYPE_CHECKING:\n    pass\nelse:\n    import minio", {"minio"}),
        ("if TYPE_CHECKING:\n    import podman", set()),
        ("def f():\n    import podman", set()),
        ("from kesdeploy.clients import minio", set()),
        ("import miniopy", set()),
    ],
)
def test_the_search_finds_them(text, found):
    assert loaded(at_top(ast.parse(text)), HEAVY) == found

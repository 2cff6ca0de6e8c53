"""Which module may import which, read from the source: nothing is imported to find out."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "kesdeploy"

# From the command line down to the errors. `x.*` are the modules inside of a package, `x` its `__init__`. Imports point
# to a lower layer, or stay among neighbours; a neighbour may not lead back (no cycles).
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__", "cli", "cli.*"),
    ("confirming",),
    ("asking", "bundle", "checkup", "importing", "importing.*"),
    ("wizard", "interview", "lacking"),
    ("console", "complaint", "hidden", "live", "prompt", "blocks", "terminal"),
    ("recredential", "rotation", "certificates", "autostart"),
    ("keyring", "keyring.*", "buckets", "buckets.*", "alone"),
    (
        "deploy",
        "overview",
        "logs",
        "audit",
        "parts",
        "environment",
        "foreground",
        "toolbox",
        "image_store",
        "image_archive",
        "image_mirror",
        "teardown",
        "granting",
        "trusting",
        "probing",
    ),
    ("opening", "choosing", "flaws", "clash", "neighbours", "handover", "proving", "doctor", "doctor.*"),
    ("apply", "verify", "strangers", "traffic", "withheld"),
    ("containers", "readiness", "observe", "gate", "ensure", "keys"),
    ("filled", "fingerprints", "identities", "loss", "proven", "services", "kes_log", "validity", "brought"),
    ("drives", "boot", "boot.*"),
    ("deployment", "protection"),
    ("topology", "topology.*", "plan", "state"),
    ("keystores", "keystores.*"),
    ("images", "pulling"),
    ("local_images", "fetching"),
    ("own_images", "refused_pulls"),
    ("sandbox", "sandbox.*"),
    ("engines.*", "clients", "clients.*", "pki", "pki.*", "given", "admitted"),
    ("cautions", "kes_config", "kes_keystores", "render", "home", "ports", "result", "catalogue", "schema"),
    ("catalogue_form",),
    ("resources",),
    ("engines",),
    ("spec", "report", "files"),
    ("kes_section", "limits_section"),
    ("server_certificate",),
    ("yamledit", "section", "kes_rules", "kes_routes", "kes_versions", "sources"),
    ("objections", "yamltext", "durations", "sizes", "minio_rules", "names", "references", "variables"),
    ("explain", "explain.*"),
    ("xlmeta", "blanking", "paths"),
    ("errors",),
    ("",),
)
PURE = (
    "spec",
    "section",
    "kes_section",
    "limits_section",
    "kes_rules",
    "kes_versions",
    "variables",
    "resources",
    "topology",
    "minio_rules",
    "topology.names",
    "topology.kes",
    "topology.leaves",
    "topology.limits",
    "topology.minio",
    "plan",
    "yamltext",
    "objections",
    "durations",
    "sizes",
    "names",
    "references",
    "sources",
    "server_certificate",
    "kes_config",
    "kes_keystores",
    "kes_routes",
    "errors",
)
IMPURE = re.compile(
    r"(os|sys|time|subprocess|socket|ssl|select|pathlib(?!\.PurePath$)|io|shutil|tempfile|glob|threading|asyncio|random|secrets|urllib\.request"
    r"|http|requests|urllib3|httpx|podman|docker|hvac|minio|importlib)(\.|$)"
)
EXITS = {
    "exit",
    "quit",
    "sys.exit",
    "os._exit",
    "os.abort",
    "SystemExit",
    "typer.Exit",
    "typer.Abort",
    "click.Abort",
    "Exit",
    "Abort",
}
PRINTS = {
    "print",
    "typer.echo",
    "typer.secho",
    "click.echo",
    "rich.print",
    "sys.stdout.write",
    "sys.stderr.write",
    "sys.__stdout__.write",
}
# Programs that run in containers of their own, and so are their own command line.
PROGRAMS = ("sandbox.",)
SERVICES = re.compile(r"minio|openbao|vault|(?<![a-z])kes(?!deploy)", re.IGNORECASE)


@dataclass(frozen=True)
class Module:
    name: str  # below the package; "" is the package itself
    path: Path
    tree: ast.Module = field(repr=False, compare=False)

    @property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Code:
    """The modules of a package, below `root`."""

    root: Path

    @cached_property
    def modules(self) -> dict[str, Module]:
        found = {}
        for path in sorted(self.root.rglob("*.py")):
            parts = path.relative_to(self.root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = Module(name, path, ast.parse(path.read_text()))
        return found

    def ours(self, module: Module) -> set[str]:
        """What it imports of the package, in functions and for types too."""
        return {found for name in _imported(module) if (found := self._resolved(name)) is not None} - {module.name}

    def _resolved(self, name: str) -> str | None:
        """`kesdeploy.spec.load` is the module `spec`."""
        if name.partition(".")[0] != PACKAGE:
            return None
        below = name.removeprefix(PACKAGE).removeprefix(".")
        while below and below not in self.modules:
            below = below.rpartition(".")[0]
        return below

    def problems(self) -> list[str]:
        return sorted(
            problem
            for module in self.modules.values()
            for rule in (self._upward, _impure, _exits, _prints, _services)
            for problem in rule(module)
        )

    def _upward(self, module: Module) -> list[str]:
        own = layer(module.name)
        if own is None:
            return [f"{module.name}: no layer: give it one in tests/layers.py"]
        lower = {name: layer(name) for name in self.ours(module)}
        return [
            f"{module.name} imports {name}, which stands above it"
            for name, rank in lower.items()
            if rank is not None and rank < own
        ]

    def cycles(self) -> list[str]:
        """Modules that lead back to themselves by imports at their top, where order counts."""
        edges = {name: self._at_top(module) for name, module in self.modules.items()}
        return sorted(name for name in edges if name in _reached(edges, name))

    def _at_top(self, module: Module) -> set[str]:
        names = {name for node in module.tree.body for name in _names(node, module)}
        inside = {found for name in names if (found := self._resolved(name)) is not None} - {module.name}
        # A package's `__init__` is complete for those it imports itself.
        return {name for name in inside if not module.name.startswith(f"{name}.") and name}


def layer(name: str) -> int | None:
    """The place of a module, 0 at the top: that of its own name, else of the nearest package `x.*` around it."""
    asked = [name]
    around = name
    while "." in around:
        around = around.rpartition(".")[0]
        asked.append(f"{around}.*")
    for word in asked:
        for rank, words in enumerate(LAYERS):
            if word in words:
                return rank
    return None


def _imported(module: Module) -> set[str]:
    return {name for node in ast.walk(module.tree) for name in _names(node, module)}


def _names(node: ast.AST, module: Module) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    base = node.module or ""
    if node.level:
        around = f"{PACKAGE}.{module.package}".rstrip(".").split(".")
        base = ".".join([*around[: len(around) - node.level + 1], base]).rstrip(".")
    return {f"{base}.{alias.name}" for alias in node.names}


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = set(edges[start])
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= edges.get(name, set()) - seen
    return seen


def _impure(module: Module) -> list[str]:
    if module.name not in PURE:
        return []
    return [f"{module.name} is pure, and imports {name}" for name in sorted(_imported(module)) if IMPURE.match(name)]


def _exits(module: Module) -> list[str]:
    if f"{module.name}.".startswith(("cli.", "__main__.", *PROGRAMS)):
        return []
    return [f"{module.name} exits: {name}, line {line}" for name, line in _used(module) if name in EXITS]


def _prints(module: Module) -> list[str]:
    # `--version` is said before there is a console.
    allowed = {"console": PRINTS, "cli": {"typer.echo"}}.get(module.name, set())
    if f"{module.name}.".startswith(PROGRAMS):
        return []
    return [f"{module.name} prints: {name}, line {line}" for name, line in _used(module) if name in PRINTS - allowed]


def _used(module: Module) -> list[tuple[str, int]]:
    """What is called or raised, by its dotted name."""
    called = [(node.func, node.lineno) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    raised = [(node.exc, node.lineno) for node in ast.walk(module.tree) if isinstance(node, ast.Raise) and node.exc]
    return sorted({(ast.unparse(what), line) for what, line in [*called, *raised]})


def _services(module: Module) -> list[str]:
    if not f"{module.name}.".startswith("engines."):
        return []
    lines = enumerate(module.path.read_text().splitlines(), 1)
    return [
        f"{module.name} names a service: {word[0]}, line {number}"
        for number, line in lines
        if (word := SERVICES.search(line))
    ]

"""The table of faults in docs/faults.md: what the fault tests themselves say, written with `--write-faults`."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
HEADER = "| what happens | when | what is seen | what repairs | objects | proven on | test |"
ORDER = ("stand-ins", "real servers")
KEPT = "all"


@dataclass(frozen=True)
class Row:
    """One fault. `objects`: `all` of those that were stored before came back, or `-` where there were none."""

    fault: str
    when: str
    seen: str
    repair: str
    objects: str
    images: tuple[str, ...]
    test: str

    @property
    def text(self) -> str:
        on = ", ".join(name for name in ORDER if name in self.images)
        cells = (self.fault, self.when, self.seen, self.repair, self.objects, on, f"`{self.test}`")
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    @classmethod
    def parse(cls, line: str) -> Self:
        *cells, images, test = (cell.strip() for cell in line.strip().strip("|").split(" | "))
        return cls(*cells, tuple(images.split(", ")), test.strip("`"))

    @property
    def same(self) -> Row:
        """Whatever it was proven on."""
        return replace(self, images=())


def table(page: Path = PAGE) -> list[Row]:
    """The rows that are committed."""
    lines = page.read_text().splitlines() if page.is_file() else []
    begun = lines.index(HEADER) + 2 if HEADER in lines else len(lines)
    return [Row.parse(line) for line in lines[begun:] if line.startswith("| ")]


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row a fault, in order, with everything that it was proven on."""
    found: dict[Row, Row] = {}
    for row in rows:
        there = found.get(row.same, row)
        found[row.same] = replace(row, images=tuple(sorted({*there.images, *row.images})))
    return sorted(found.values(), key=lambda row: (row.fault.lower(), row.when, row.test))


def write(rows: list[Row], page: Path = PAGE) -> None:
    """Rows of tests that ran take the place of theirs; rows of tests that are gone go."""
    there = {name for name, _ in declared()}
    ran = {row.test for row in rows}
    kept = [row for row in table(page) if row.test in there - ran]
    before, _, _ = page.read_text().partition(HEADER)
    lines = [HEADER, "| --- | --- | --- | --- | --- | --- | --- |", *(row.text for row in merged([*kept, *rows]))]
    page.write_text(before + "\n".join(lines) + "\n")


def declared() -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """Every fault test as its source has it: those that take `fault`, and which faults they name in so many words."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(each.arg == "fault" for each in node.args.args):
                yield f"{path.name}::{node.name}", set(_named(node))


def _named(test: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for node in ast.walk(test):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "fault":
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if len(words) == 2:
                yield words[0], words[1]


@dataclass
class Recorder:
    """`fault(what, when, …)` at the end of a fault test, once everything is in order again."""

    test: str
    rows: list[Row] = field(default_factory=list)

    def __call__(
        self, what: str, when: str, *, repair: str, seen: Any = "", objects: Any = None, images: str = "sandbox"
    ) -> None:
        """Note it, after having looked that no object was lost.

        seen: what the user is told, as words, or as the run that told it. objects: what was stored before.
        """
        if objects is not None:
            objects.assert_intact()
        on = ORDER[images == "release"]
        kept = "-" if objects is None else KEPT
        self.rows.append(Row(what, when, _seen(seen), repair, kept, (on,), self.test))


def _seen(said: Any) -> str:
    """The exit code, and the first line of the error, of any deployment."""
    if isinstance(said, str):
        return said or "-"
    words = said.error[0].removeprefix("error: ") if said.error else ""
    for part, stands in ((r"/\S*/minio-kes-\w+-\w+", "FOLDER"), (r"\btry-[0-9a-f]{6}", "NAME")):
        words = re.sub(part, stands, words)
    return f"exit {said.code}: {words}" if words else f"exit {said.code}"


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """Takes down what a fault test saw, and holds it to the committed table."""
    recorder = Recorder(f"{request.path.name}::{request.node.originalname}")
    yield recorder
    request.node.user_properties += [("fault", vars(row)) for row in recorder.rows]
    if not request.config.getoption("--write-faults"):
        known = {row.same for row in table()}
        new = [row.text for row in recorder.rows if row.same not in known]
        assert not new, f"not in {PAGE.name}: write it with --write-faults, then read it: {new}"


class Writer:
    """Collects from all workers, and writes at the end."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        if report.when == "teardown" and report.nodeid not in self.failed:
            rows = (row for name, row in report.user_properties if name == "fault")
            self.rows += [Row(**{**row, "images": tuple(row["images"])}) for row in rows]

    def pytest_sessionfinish(self) -> None:
        if self.rows:
            write(self.rows)

"""docs/faults.md names every fault test that there is, and none that is gone."""

from __future__ import annotations

import re

import pytest
from fault_table import HEADER, PAGE, Recorder, Row, _seen, declared, merged, table, write

ROW = Row("KES is killed", "while all runs", "exit 7", "`up`", "all", ("stand-ins",), "test_x.py::test_y")


def test_the_table_is_that_of_the_tests_that_there_are():
    tests, rows = dict(declared()), table()
    assert {row.test for row in rows} == set(tests), "write it with --write-faults"
    for test, named in tests.items():
        there = {(row.fault, row.when) for row in rows if row.test == test}
        assert named <= there, f"{test}: write it with --write-faults"
    assert rows == merged(rows)


def test_a_row_is_read_as_it_was_written():
    assert Row.parse(ROW.text) == ROW
    assert Row.parse(Row(*("a|b",) * 5, ("stand-ins", "real servers"), "t").text).images == (
        "stand-ins",
        "real servers",
    )


def test_rows_of_one_fault_become_one():
    real = Row(*list(vars(ROW).values())[:5], ("real servers",), ROW.test)
    assert [row.text.count("stand-ins, real servers") for row in merged([ROW, real, ROW])] == [1]


def test_writing_keeps_what_did_not_run_and_drops_what_is_gone(tmp_path):
    test = next(name for name, _ in declared())
    there, gone = (Row(*list(vars(ROW).values())[:-1], name) for name in (test, "test_gone.py::test_it"))
    page = tmp_path / "faults.md"
    page.write_text(f"# Faults\n\n{HEADER}\n| --- |\n{there.text}\n{gone.text}\n")
    write([ROW], page)
    assert page.read_text().startswith("# Faults\n\n")
    assert set(table(page)) == {there, ROW}


class Said:
    code = 8
    error = ("error: cannot write /tmp/x/minio-kes-try-0a1b2c/state.json of try-0a1b2c", "  because: full")


@pytest.mark.parametrize(
    ("said", "shown"), [(Said, "exit 8: cannot write FOLDER/state.json of NAME"), ("said", "said"), ("", "-")]
)
def test_what_was_seen_names_no_deployment(said, shown):
    assert _seen(said) == shown


def test_objects_are_looked_at_before_a_row_is_noted():
    class Lost:
        def assert_intact(self) -> None:
            raise AssertionError

    recorder = Recorder("t")
    with pytest.raises(AssertionError):
        recorder("a", "b", repair="`up`", objects=Lost())
    assert recorder.rows == []


def test_the_page_says_how_it_is_written():
    assert "--write-faults" in re.sub(r"\s+", " ", PAGE.read_text())

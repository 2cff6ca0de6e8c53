from __future__ import annotations

import pytest
from screen import Ascii, Tty

from kesdeploy.blocks import Item, Lines, Table, Text, cell_text, lines_of
from kesdeploy.terminal import Terminal, columns, defused, fit

STATUS = Table(
    ("part", "state", "detail"),
    [("kes", "running", "2025-03-12"), ("vault", "SEALED since 3 h", None), ("minio", "FAILED", ["a", "b"])],
)


@pytest.fixture
def narrow(monkeypatch):
    def terminal(width):
        made = Terminal(Tty())
        monkeypatch.setattr(Terminal, "_size", lambda _: (width, 24))
        return made

    return terminal


@pytest.fixture(autouse=True)
def _a_terminal_that_knows_colours(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def plain(*blocks):
    return lines_of(blocks, Terminal(Ascii()))


def test_a_table_is_aligned():
    assert plain(STATUS) == [
        "PART   STATE             DETAIL",
        "kes    running           2025-03-12",
        "vault  SEALED since 3 h  -",
        "minio  FAILED            a, b",
    ]


def test_a_table_without_headers_is_pairs():
    assert plain(Table((), [("S3", "http://127.0.0.1:9000"), ("console", "x")])) == [
        "S3       http://127.0.0.1:9000",
        "console  x",
    ]


def test_an_empty_table_is_its_headers():
    assert plain(Table(("name", "state"), [])) == ["NAME  STATE"]
    assert plain(Table((), [])) == []


def test_state_words_are_coloured_and_still_aligned():
    lines = lines_of([STATUS], Terminal(Tty()))
    assert lines[1] == "kes    \033[32mrunning\033[0m           2025-03-12"
    assert lines[2] == "vault  \033[31mSEALED\033[0m since 3 h  \033[2m-\033[0m"
    assert "\033[31mFAILED\033[0m" in lines[3]


def test_prose_that_begins_with_a_state_word_is_not_coloured():
    assert "\033" not in lines_of([Table((), [("create the bucket",)])], Terminal(Tty()))[0]


def test_wide_characters_take_two_columns():
    lines = plain_utf8(Table((), [("日本", "x"), ("abcd", "y"), ("é", "z")]))
    assert [columns(line.rpartition("  ")[0] + "  ") for line in lines] == [6, 6, 6]


def plain_utf8(*blocks):
    stream = Ascii()
    stream.encoding = "utf-8"
    return lines_of(blocks, Terminal(stream))


def test_ascii_streams_get_words_instead_of_marks():
    assert plain(Item("ok", "came back", ("20 bytes",)), Item("failed", "on disk"), Item("note", "n")) == [
        "ok came back",
        "  20 bytes",
        "FAILED on disk",
        "* n",
    ]


def test_a_table_stands_apart_from_its_neighbours():
    assert plain(Text("Deployment fs"), Table((), [("a", "b")]), Lines(["c"])) == [
        "Deployment fs",
        "",
        "a  b",
        "",
        "c",
    ]


def test_a_narrow_terminal_wraps_the_widest_column(narrow):
    table = Table(("check", "hint"), [("kes", "make the folder writable, then run the same command again")])
    lines = lines_of([table], narrow(40))
    assert max(map(len, lines[1:])) <= 40
    assert [line.split("  ", 1)[1].strip() for line in lines[1:]] == [
        "make the folder writable, then",
        "run the same command again",
    ]


def test_a_terminal_too_narrow_for_columns_gets_one_value_a_line(narrow):
    table = Table(("name", "address"), [("a" * 15, "https://127.0.0.1:7373"), ("second", "x")])
    assert lines_of([table], narrow(30)) == [
        "name:     aaaaaaaaaaaaaaa",
        "address:  https://127.0.0.1:7373",
        "",
        "name:     second",
        "address:  x",
    ]


def test_lines_are_never_wrapped_and_text_is(narrow):
    words = "word " * 12
    assert lines_of([Lines([words])], narrow(30)) == [words]
    assert len(lines_of([Text(words)], narrow(30))) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (0, "0"), ([], "-"), (("a", 1), "a, 1"), ("a\nb", "a b")],
)
def test_values_as_a_person_writes_them(value, shown):
    assert cell_text(value) == shown


def test_control_characters_are_spelled_out():
    assert defused("a\033[2Jb\tc\r\nd\x9b") == "a\\x1b[2Jb\tc\nd\\x9b"


@pytest.mark.parametrize(
    ("text", "width", "cut"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("日本語", 5, "日本…")]
)
def test_fit_cuts_by_columns(text, width, cut):
    assert fit(text, width) == cut
    assert columns(cut) <= width


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb"), ("TERM", "")])
def test_no_colour_where_it_is_not_wanted(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert Terminal(Tty()).paint("x", "red") == "x"


def test_an_empty_no_color_does_not_count(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    assert Terminal(Tty()).paint("x", "red") == "\033[31mx\033[0m"

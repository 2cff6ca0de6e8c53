"""YAML is read as it was meant, or refused with its place; what it holds is never repeated."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy.errors import SpecError
from kesdeploy.yamltext import parse, write


def refusal(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse(text, where="some.yaml")
    (problem,) = caught.value.problems
    assert problem.message.startswith("some.yaml: ")
    return caught.value


def told(text: str) -> str:
    """What was read, or why not."""
    try:
        return str(parse(text, where="some.yaml"))
    except SpecError as error:
        return error.because


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("7373", 7373),
        ("-1", -1),
        ("0777", "0777"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1.5", "1.5"),
        (".inf", ".inf"),
        ("2024-01-11", "2024-01-11"),
        ("2001-99-99", "2001-99-99"),
        ("9" * 6000, "9" * 6000),
        ("'7373'", "7373"),
        ("[a, {b: c}]", ["a", {"b": "c"}]),
    ],
)
def test_scalars_are_what_was_written(text, value):
    assert parse(f"a: {text}", where="x") == {"a": value}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~"])
def test_nothing_is_an_empty_mapping(text):
    assert parse(text, where="x") == {}


def test_anchors_and_merges_work_and_own_keys_win():
    text = "base: &base {a: 1, b: 2}\nown:\n  <<: *base\n  b: 3\n"
    assert parse(text, where="x")["own"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1", "the key a is given twice"),
        ("a:\n  b: {c: 1, c: 2}\n", "line 2, column 13", "the key c is given twice"),
        ("a: [1", "line 1, column 6", "expected ',' or ']'"),
        ("a: b: c", "line 1, column 5", "mapping values are not allowed here"),
        ("a:\n\t- b", "line 2, column 1", "cannot start any token"),
        ("? [a]\n: b", "line 1, column 3", "a key must be text"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1", "but found another document"),
        ("a: !!python/object:os.system x", "line 1, column 4", "could not determine a constructor"),
        ("a: !!timestamp 2001-99-99", "line 1, column 4", "could not determine a constructor"),
    ],
)
def test_a_syntax_error_has_line_and_column(text, place, word):
    message = refusal(text).problems[0].message
    assert place in message
    assert word in message


@pytest.mark.parametrize("text", ["[a]", "word", "7", "- a\n- b"])
def test_only_a_mapping_is_a_spec(text):
    assert "a mapping is needed at the top" in refusal(text).because


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "!!int foo", "!!bool foo", "!!null foo: a", "a\0b"])
def test_what_no_parser_expects_is_still_an_answer(text):
    assert told(text)


@pytest.mark.parametrize("value", ["*hunter2", "!hunter2", "%hunter2", "@hunter2", "`hunter2"])
def test_an_unquoted_secret_is_not_repeated_and_quotes_are_advised(value):
    error = refusal(f"minio:\n  root_password: {value}\n")
    assert "hunter" not in f"{error} {error.because} {error.hint}"
    assert '"@FILE"' in error.problems[0].hint


@given(st.text(alphabet=st.one_of(st.sampled_from("a:-[]{}!&*#?|<>'\"%@`,~ \n\t\\"), st.characters())))
def test_any_text_is_a_mapping_or_refused(text):
    assert told(text).startswith(("some.yaml: ", "{"))


@pytest.mark.parametrize("rest", ["b: {c: *a}", "<<: *a"])
def test_what_stands_for_itself_is_refused(rest):
    assert "have no end" in refusal(f"a: &a\n  x: 1\n  self: *a\n{rest}\n").because


def test_a_few_lines_that_stand_for_billions_are_refused_at_once():
    layers = [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in pairwise("abcdefghij")]
    assert "more than 100000 values" in refusal("\n".join(["a: &a [x]", *layers])).because


def test_anchors_are_written_out():
    assert parse("a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}", where="x") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": {"x": 1, "y": 2},
    }


TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), TREES, max_size=4))
@example({"a": ["on", "0777", "1_000", "1:30", "2024-01-11", "~", "=", "<<", "0o7", "1e3", ".inf", "!x", "0x1F"]})
@example({"on": 1, "null": None, "1": "1", "": ""})
@example({"a": "x\x85y\u2028z\ufeff\x07"})
def test_what_is_written_is_what_is_read(tree):
    """PyYAML writes it, for YAML 1.1, and we read it, for YAML 1.2."""
    text = write(tree)
    assert parse(text, where="x") == tree
    assert list(parse(text, where="x")) == list(tree)


def test_what_people_write_stays_readable():
    assert write({"b": "größe", "a": ["漢"]}) == "b: größe\na:\n- 漢\n"


@given(st.text("abc", min_size=1, max_size=2), st.lists(st.sampled_from("xyz"), max_size=3))
def test_a_key_given_twice_is_refused_at_any_depth(key, path):
    inner = f"{{{key}: 1, {key}: 2}}"
    for part in path:
        inner = f"{{{part}: [{inner}]}}"
    assert "is given twice" in refusal(inner).because


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=6))
def test_no_refusal_repeats_what_stands_there(value):
    """It may be a password that nobody quoted."""
    said = told(f"minio:\n  root_password: {value}\n  x: [\n")
    assert said.startswith("some.yaml: ")
    assert len(value.split()) != 1 or value not in said

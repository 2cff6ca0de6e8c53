"""The tree of errors is a contract: exit codes and codes of `--json`."""

from __future__ import annotations

import re

import pytest

from kesdeploy import errors
from kesdeploy.errors import KesdeployError, Problem, ServiceError, SpecError


def tree(root: type[KesdeployError] = KesdeployError) -> list[type[KesdeployError]]:
    return [root, *(inner for branch in root.__subclasses__() for inner in tree(branch))]


OWN = [error for error in tree() if error.__module__ == errors.__name__]


def made(kind: type[KesdeployError]) -> KesdeployError:
    if kind is SpecError:
        return SpecError("it broke", found=(Problem("spec", "the disk is full"),), hint="df -h")
    return kind("it broke", because="the disk is full", hint="df -h")


def test_the_docstring_draws_the_tree():
    drawn = dict(re.findall(r"(?:── |^)([A-Z]\w+) (\d+)", errors.__doc__ or "", re.MULTILINE))
    assert {name: int(code) for name, code in drawn.items()} == {kind.__name__: kind.exit_code for kind in OWN}


def test_each_code_of_json_is_used_once():
    codes = [kind.code for kind in OWN]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_every_error_says_what_because_and_what_to_try(kind):
    error = made(kind)
    assert (str(error), error.because, error.hint) == ("it broke", "the disk is full", "df -h")
    problem, *more = error.problems
    assert not more
    assert problem.code == kind.code
    assert "the disk is full" in problem.message


def test_an_error_without_a_cause_is_its_own_message():
    assert KesdeployError("it broke").problems == (Problem("internal", "it broke"),)


def test_a_problem_without_a_word_of_what_to_do_has_the_specs():
    found = (Problem("spec", "a: required"), Problem("spec", "b: unknown key", "known: c"))
    error = SpecError("x has 2 problems", found=found, hint="correct x")
    assert [problem.hint for problem in error.problems] == ["correct x", "known: c"]


def test_a_spec_error_gives_all_its_problems():
    found = (Problem("spec", "a: required"), Problem("spec", "b: unknown key", "known: c"))
    error = SpecError("kesdeploy.yaml has 2 problems", found=found)
    assert error.problems == found
    assert error.because == "a: required; b: unknown key"


def test_a_service_that_did_not_answer_has_status_0():
    assert ServiceError("KES is silent").status == 0
    assert ServiceError("KES refused", status=403).status == 403


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)
def test_errors_survive_being_raised_and_caught_as_their_parents(kind):
    for parent in kind.__mro__[: kind.__mro__.index(KesdeployError) + 1]:
        with pytest.raises(parent):
            raise made(kind)

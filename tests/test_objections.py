"""What is wrong is told with path and value; what may be a secret is never told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kesdeploy.errors import SpecError
from kesdeploy.keystores import FIELDS
from kesdeploy.objections import SECRET, did_you_mean, is_secret, objections
from kesdeploy.spec import load_tree

CANARY = "hunter2hunter2"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(Strict):
    user: str = ""
    password: Annotated[str, Field(json_schema_extra=SECRET)] = ""


class Part(Strict):
    kind: Literal["one", "two"] = "one"
    count: int = Field(default=1, ge=1, le=16)
    login: Login | None = None
    more: tuple[Login, ...] = ()

    @model_validator(mode="after")
    def _together(self) -> Part:
        if self.kind == "two" and self.count == 1:
            raise ValueError("kind: two needs a count above 1")
        return self


class Whole(Strict):
    name: str
    part: Part = Part()
    labels: dict[str, int] = {}


def told(tree: Any, prefix: str = "") -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Whole.model_validate(tree)
    return list(objections(raised.value, Whole, prefix))


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({}, "name: required"),
        ({"name": 7}, "name: Input should be a valid string (given: 7)"),
        ({"name": "x", "prat": {}}, "prat: unknown key; did you mean 'part'?"),
        ({"name": "x", "part": {"cuont": 2}}, "part.cuont: unknown key; did you mean 'count'?"),
        ({"name": "x", "part": {"zzz": 2}}, "part.zzz: unknown key"),
        ({"name": "x", "part": []}, "part: a mapping is needed here"),
        ({"name": "x", "part": {"kind": "three"}}, "part.kind: Input should be 'one' or 'two' (given: 'three')"),
        ({"name": "x", "part": {"more": [{"usr": 1}]}}, "part.more.0.usr: unknown key; did you mean 'user'?"),
        ({"name": "x", "labels": {"a b": "c"}}, "labels.a b: a whole number is needed here"),
        ({"name": "x", "part": {"kind": "two"}}, "part: kind: two needs a count above 1"),
        ({"name": "x", "part": {"\n": 2}}, "part.'\\n': unknown key"),
    ],
)
def test_each_kind_of_mistake_in_words(tree, words):
    (found,) = told(tree)
    assert found.startswith(words)


def test_all_of_them_at_once_and_below_a_prefix():
    found = told({"part": {"count": 99, "login": {"usr": 1}}}, "keystore.x")
    assert [line.partition(":")[0] for line in found] == [
        "keystore.x.name",
        "keystore.x.part.count",
        "keystore.x.part.login.usr",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(CANARY) | st.just(f"https://u:{CANARY}@host"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["user", "x", "id"]), inner),
    max_leaves=6,
)


@given(JSON.filter(lambda value: not isinstance(value, str)))
def test_what_stands_in_the_place_of_a_secret_is_not_told(value):
    lines = told({"name": "x", "part": {"login": {"password": value}}})
    assert CANARY not in str(lines)


def refusal(tree: dict[str, Any]) -> str:
    """All that is said against a spec; empty when it is taken."""
    try:
        load_tree(tree, {}, FIELDS, where="spec")
    except SpecError as error:
        return f"{error} {error.because} {error.hint}"
    return ""


# Where a secret belongs, and where one is put by mistake: a section, an unknown key, the list around it.
PLACES = [
    "minio.root_password",
    "minio",
    "minio.rootpassword",
    "keystore.vault.approle.id",
    "keystore.vault.approle.secret",
    "keystore.vault.approle",
    "keystore.vault.aprole",
    "keystore.vault",
    "password",
]


@pytest.mark.parametrize("place", PLACES)
@given(value=JSON)
@example(value=CANARY)
@example(value=[CANARY])
@example(value={"x": CANARY})
def test_a_secret_in_a_spec_is_refused_and_never_repeated(place, value):
    tree: dict[str, Any] = {"name": "x", "keystore": {"vault": {"address": "https://vault.example.org"}}}
    here = tree
    *sections, last = place.split(".")
    for section in sections:
        here = here.setdefault(section, {})
    here[last] = value
    told = refusal(tree)
    assert CANARY not in told
    assert told or CANARY not in str(value)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://user:{}@host",
        "ftp://user:{}/x@host",
        "ftp://user:{}@first@host",
        "ftp://user:{}\n@host",
        "ftp://user:{}" + "x" * 200 + "@host/" + "y" * 200,
        "ftp://" + "x" * 60 + ":{}@host/" + "y" * 200,
    ],
)
def test_the_password_of_an_address_goes_before_it_is_shortened(address):
    tree = {"name": "x", "keystore": {"vault": {"address": address.format(CANARY)}}}
    with pytest.raises(SpecError) as raised:
        load_tree(tree, {}, FIELDS, where="spec")
    assert "keystore.vault.address" in raised.value.because
    assert "hunter" not in raised.value.because


@given(st.text(min_size=200, max_size=400))
def test_a_long_value_is_told_in_short(value):
    (found,) = told({"name": "x", "part": {"kind": value}})
    assert len(found) < 600


def test_which_fields_are_secret():
    paths = ("part.login.password", "part.login.user", "part.login", "part", "name", "nothing.at.all", "")
    assert [is_secret(Whole, path) for path in paths] == [True, False, False, False, False, False, False]


@pytest.mark.parametrize(
    ("word", "hint"), [("vualt", "; did you mean 'vault'?"), ("fs", "; did you mean 'fs'?"), ("zzz", ""), (7, "")]
)
def test_only_what_is_close_is_meant(word, hint):
    assert did_you_mean(word, ["fs", "vault"]) == hint

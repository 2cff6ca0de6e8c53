"""`${NAME}` is the shell's: a spec refuses it, and KES never sees one that a value only looks like."""

from __future__ import annotations

import base64

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from test_kes_config import GOOD, SAMPLES, SITE, VAULT, problems, with_
from test_spec import LEAST
from test_spec import problems as spec_problems

from kesdeploy import filled, topology
from kesdeploy.errors import SpecError
from kesdeploy.kes_config import check
from kesdeploy.keystores import FIELDS
from kesdeploy.render import as_yaml
from kesdeploy.sandbox.kes.yamlnode import load
from kesdeploy.spec import Spec
from kesdeploy.spec import load as load_spec
from kesdeploy.variables import whole
from kesdeploy.yamltext import parse


@pytest.mark.parametrize("text", ["${X}", " ${X} ", "${X:-d}", "${ X }", "${}", "${a}-${b}", "\u00a0${X}\n"])
def test_what_kes_takes_for_a_variable(text):
    assert whole(text)
    written = as_yaml(text)
    assert written.startswith("!!binary ")
    assert "$" not in written


@pytest.mark.parametrize("text", ["$X", "pre-${X}", "${X}-post", "${X", "$ {X}", "", "{X}"])
def test_what_it_leaves_alone(text):
    assert not whole(text)
    assert "!!binary" not in as_yaml(text)


@given(st.text(alphabet=st.sampled_from("${}X \n\x85ä")))
@example("${HOME}")
def test_every_text_reaches_the_stand_in_as_it_is(text):
    """It reads as KES does: kesconf/config.go and yaml.v3."""
    node = load(f"a: {as_yaml(text)}\nb: {as_yaml([text, 'x'])}\n")
    assert node.get("a").text() == text
    assert [each.text() for each in node.get("b").list()] == [text, "x"]


@given(st.text(alphabet=st.sampled_from("${}X \n\x85ä")))
def test_and_our_own_check(text):
    assert parse(f"a: {as_yaml(text)}\n", where="x", binary=True) == {"a": text}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_secrets_that_look_like_a_variable_reach_kes_as_they_are(sample):
    """Whatever the keystore: all that is filled in at the last moment is `${HOME}` here."""
    resources = topology.desired(load_spec(sample.read_text(), {}, FIELDS), SITE)
    for body in (resource.body for resource in resources if resource.address == topology.KES_CONFIG):
        text = filled._rendered(body, lambda _: "${HOME}")
        assert "${HOME}" not in text
        for path in body.refs:
            if path.startswith("keystore."):
                assert _text_at(load(text).get("keystore"), path.split(".")[1:]) == "${HOME}"


def _text_at(keystore, path):
    """The value at this path of whichever backend is configured."""
    ((_, node),) = keystore.items()
    while path[0] not in dict(node.items()):
        ((_, node),) = node.items()  # aws: secretsmanager:, and so on
    for part in path:
        node = node.get(part)
    return node.text()


def test_a_variable_that_slips_through_is_refused_before_kes_reads_it():
    vault = {**VAULT, "approle": {"id": "a", "secret": "${HOME}"}}
    assert problems(with_("keystore", {"vault": vault})) == [
        "keystore.vault.approle.secret: KES would put a variable of its environment here"
    ]
    escaped = with_("keystore", {"vault": vault}).replace(
        "${HOME}", f"!!binary {base64.b64encode(b'${HOME}').decode()}"
    )
    check(escaped)


def test_a_pattern_with_dollars_is_no_variable():
    check(yaml.safe_dump(GOOD))


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("kes: {cache: {any: '${ANY}'}}", None, ""),  # said better already: a duration needs a unit
        ("minio: {root_user: '${WHO}'}", "minio.root_user", "${WHO}"),
        ("minio: {root_user: 'team-${WHO}'}", "minio.root_user", "${WHO}"),
    ],
)
def test_a_spec_replaces_nothing(text, path, name):
    (found,) = spec_problems(f"{LEAST}{text}\n")
    if path:
        assert found == f"{path}: nothing replaces {name} here"
    else:
        assert "a duration needs a unit" in found


def test_and_says_what_to_do_instead():
    with pytest.raises(SpecError) as raised:
        load_spec(f"{LEAST}minio: {{root_user: 'team-${{WHO}}'}}\n", {}, FIELDS)
    (problem,) = raised.value.problems
    assert '--set minio.root_user="team-${WHO}"' in problem.hint
    assert "env:NAME" in problem.hint


def test_aliases_that_lead_back_do_no_harm():
    spec_problems(f"{LEAST}minio: &m {{buckets: [*m]}}\n")


def test_dollars_alone_are_no_variable():
    assert isinstance(load_spec(f"{LEAST}minio: {{root_user: 'a$b{{c}}'}}\n", {}, FIELDS), Spec)

"""Image references: what engines take passes, what they would refuse is refused before anything is asked."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kesdeploy.catalogue import catalogue, version_of
from kesdeploy.errors import SpecError
from kesdeploy.keystores import FIELDS
from kesdeploy.references import reference
from kesdeploy.spec import load

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "value",
    [
        "kes",
        "kes:latest",
        "minio/kes",
        "localhost/kes:1",
        "localhost:5000/kes",
        "registry.example.org:5000/team/minio_kes:RELEASE.2025-04-22T22-12-26Z",
        "Registry.Example.org/kes",
        "[::1]:5000/kes:1",
        f"quay.io/minio/kes@{DIGEST}",
        f"quay.io/minio/kes:1@{DIGEST}",
        "a9953c901b9d",
        DIGEST,
        "a--b/c__d/e.f",
        f"x:{'t' * 128}",
    ],
)
def test_what_engines_take(value):
    assert reference(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "Bad Ref",
        "UPPER",
        "quay.io/MinIO/kes",
        ":tag",
        "kes:",
        "kes@",
        "kes@sha256:short",
        "-kes",
        "kes-",
        "/kes",
        "kes/",
        "a//b",
        "../kes",
        "kes?x=1",
        "kes%2f",
        "kes#1",
        "kes\n",
        "größe",
        f"x:{'t' * 129}",
        "a/" * 130 + "a",
    ],
)
def test_what_no_engine_takes(value):
    with pytest.raises(ValueError, match="an image reference is REGISTRY/NAME:TAG"):
        reference(value)


def test_an_address_of_the_browser_is_told_apart():
    with pytest.raises(ValueError, match="without https://"):
        reference("https://quay.io/minio/kes:1")


def test_every_reference_of_the_catalogue_is_one():
    for component in catalogue().values():
        for source in (*component.sources, *component.elsewhere):
            assert reference(source.reference)


PART = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
TAG = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=20)


@given(st.lists(PART, min_size=1, max_size=3), st.none() | TAG, st.booleans(), st.sampled_from(["", "localhost:5000/"]))
def test_a_tag_is_the_version_wherever_the_image_lies(parts, tag, digest, registry):
    value = f"{registry}{'/'.join(parts)}{f':{tag}' if tag else ''}{f'@{DIGEST}' if digest else ''}"
    assert reference(value) == value
    assert version_of(value) == (tag or "")


@given(st.text())
@example("a" * 50_000)
@example("a-" * 20_000)
def test_any_text_is_taken_or_refused(value):
    with suppress(ValueError):
        assert reference(value) == value


@pytest.mark.parametrize("component", ["kes", "minio", "mc", "vault"])
def test_a_spec_with_a_wrong_one_names_path_and_value(component):
    with pytest.raises(SpecError) as raised:
        load("name: x\nkeystore: {fs: {}}\n", {f"images.{component}": "Bad Ref"}, FIELDS)
    (problem,) = raised.value.found
    assert problem.message.startswith(f"images.{component}: an image reference is REGISTRY/NAME:TAG")
    assert problem.message.endswith("(given: 'Bad Ref')")

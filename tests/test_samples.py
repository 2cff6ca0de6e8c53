"""The samples are the schema's documentation: each loads, and one of them names every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from kesdeploy.keystores import FIELDS
from kesdeploy.objections import _options
from kesdeploy.spec import Bucket, KeystoreFields, Spec, load
from kesdeploy.yamltext import parse

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.yaml"))
FULL = Path(__file__).parents[1] / "samples" / "full.yaml"
SETTING = re.compile(r"^# ( *(- )?[a-z0-9_/-]+:.*)$")


def ids(path: Path) -> str:
    return path.name


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
def test_a_sample_is_a_spec(sample):
    spec = load(sample.read_text(), {}, FIELDS, where=sample.name)
    assert load(spec.text(), {}, FIELDS) == spec


@pytest.mark.parametrize("sample", [path for path in SAMPLES if path != FULL], ids=ids)
def test_a_sample_begins_with_the_command_that_uses_it(sample):
    assert sample.read_text().startswith(f"# kesdeploy up --config samples/{sample.name}\n")


@pytest.mark.parametrize("kind", FIELDS)
def test_each_keystore_has_a_sample(kind):
    assert any(load(sample.read_text(), {}, FIELDS).kms == kind for sample in SAMPLES)


def paths(model: type[BaseModel], prefix: str = "") -> set[str]:
    """Every key that a spec may have."""
    found = set()
    for name, field in model.model_fields.items():
        inner = [part for part in _options(field) if isinstance(part, type) and issubclass(part, BaseModel)]
        if inner == [KeystoreFields]:
            for kind, fields in FIELDS.items():
                found |= {f"keystore.{kind}"} | paths(fields, f"keystore.{kind}.")
        elif "Bucket" in str(field.annotation):
            found |= paths(Bucket, f"{prefix}{name}.")
        elif get_origin(field.annotation) is dict and get_args(field.annotation)[1] is not str:
            found |= paths(get_args(field.annotation)[1], f"{prefix}{name}.*.")
        elif inner:
            found |= paths(inner[0], f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def leaves(tree: Any, prefix: str = "") -> set[str]:
    if isinstance(tree, list) and tree:
        return {path for item in tree for path in leaves(item, prefix)}
    if isinstance(tree, dict) and tree:
        return {path for key, value in tree.items() for path in leaves(value, f"{prefix}.{key}".strip("."))}
    return {prefix}


def uncommented() -> str:
    """The full sample with the settings that are left out: buckets stand below `buckets:`, and so on."""
    lines = [found[1] if (found := SETTING.match(line)) else line for line in FULL.read_text().splitlines()]
    return re.sub(r"(buckets|policies|api|minio|kes|vault): (\[\]|{})", r"\1:", "\n".join(lines))


def unnamed(path: str) -> str:
    """The path with a `*` where the user chooses the name."""
    return re.sub(r"^(kes\.(policies|api))\.[^.]+", r"\1.*", path)


def test_the_full_sample_names_each_key():
    sections = {f"keystore.{kind}" for kind in FIELDS if kind != "fs"}
    found = {unnamed(path) for path in leaves(parse(uncommented(), where=FULL.name))}
    assert found == paths(Spec) - sections


def test_what_it_says_without_a_comment_are_the_defaults():
    assert load(FULL.read_text(), {}, FIELDS) == load("name: demo\nkeystore: {fs: {}}\n", {}, FIELDS)


@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind != "fs"])
def test_what_it_says_in_a_comment_is_right_too(kind):
    tree = parse(uncommented(), where=FULL.name)
    tree["keystore"] = {kind: tree["keystore"][kind]}
    for kms, either in (
        ("vault", "product"),
        ("vault", "seal"),
        ("vault", "kubernetes"),
        ("azure", "managed_identity"),
        ("kes", "api_key"),
    ):
        tree["keystore"].get(kms, {}).pop(either, None)
    if kind == "kes":
        del tree["kes"]
    spec = load("", tree, FIELDS)
    assert (spec.kms, spec.minio.buckets[0].key) == (kind, "photos-key")
    if kind != "kes":
        assert spec.kes.policies["photos-app"].identities
        assert spec.kes.api["/v1/ready"].skip_auth

"""Whatever is loaded is a Spec or a SpecError; whatever is written is read back the same."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kesdeploy.errors import SpecError
from kesdeploy.keystores import FIELDS
from kesdeploy.schema import json_schema
from kesdeploy.spec import Spec, load
from kesdeploy.yamltext import parse

SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.yaml"))

KEYS = [
    *Spec.model_fields,
    "fs",
    "vault",
    "s3_port",
    "bind",
    "buckets",
    "key",
    "cache",
    "any",
    "root_password",
    "address",
]
KEYS += ["extra_names", "drives", "https", "log", "error", "approle", "id", "status", "ping", "prefix", "seal"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
    st.sampled_from(
        ["podman", "demo", "5m", "@x", "env:X", "::1", "sse-kms", 1, "abc", "https://[", "https://v", "v2"]
    ),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(), st.integers()), inner, max_size=6),
    ),
    max_leaves=25,
)
PATHS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=3).map(".".join)


def problems(text: str, overrides: dict[str, object]) -> list[str]:
    try:
        load(text, overrides, FIELDS)
    except SpecError as error:
        assert error.problems  # noqa: PT017 - most of what is tried is refused, some is not
        return [problem.message for problem in error.problems]
    return []


def loaded_or_refused(text: str, overrides: dict[str, object]) -> None:
    for message in problems(text, overrides):
        # A path, or the place in the file, or the fields that contradict each other.
        path = message.partition(": ")[0]
        assert path
        assert path.isprintable()
        assert path != message or "minio.https" in message


@given(st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text()), NESTED, max_size=6))
def test_any_nested_data(tree):
    loaded_or_refused(yaml.safe_dump(tree), {})


@given(st.dictionaries(PATHS, NESTED, max_size=5))
def test_any_flags(overrides):
    loaded_or_refused("name: demo\nkeystore: {fs: {}}\n", overrides)


@given(st.text())
def test_any_text(text):
    loaded_or_refused(text, {})


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,39}", fullmatch=True)
BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True)
KEY_NAMES = st.from_regex(r"k[0-9A-Za-z_-]{0,20}[0-9A-Za-z]", fullmatch=True)
REFERENCES = st.from_regex(r"[a-z0-9]{1,9}(/[a-z0-9]{1,9}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?", fullmatch=True)
HOSTS = st.one_of(st.from_regex(r"[a-z0-9]{1,9}(\.[a-z0-9]{1,9}){0,3}", fullmatch=True), st.ip_addresses().map(str))
USERS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, blacklist_characters=","), min_size=3).filter(
    lambda user: not user.startswith("env") and user != "minioadmin"
)
DURATIONS = st.from_regex(r"([1-9][0-9]{0,3}(ms|s|m|h)){1,3}", fullmatch=True)
PRINTABLE = st.text(min_size=1).filter(lambda text: "\n" not in text)
SECRETS = st.one_of(PRINTABLE.map("@{}".format), st.from_regex(r"env:[A-Z_][A-Z0-9_]*", fullmatch=True))


def some(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Any of these fields, none of them needed."""
    return st.fixed_dictionaries({}, optional=fields)


PORTS = st.lists(st.integers(1, 65535), min_size=4, max_size=4, unique=True)
NETWORK = PORTS.map(lambda ports: dict(zip(("s3_port", "console_port", "kes_port", "vault_port"), ports, strict=True)))
SPECS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "keystore": st.sampled_from([{"fs": {}}, {"vault": {}}, {"vault": {"address": "https://v", "ca": "/c"}}]),
    },
    optional={
        "engine": st.sampled_from(["auto", "podman", "docker"]),
        "key_name": KEY_NAMES,
        "network": st.one_of(NETWORK, some(bind=st.ip_addresses(v=4).map(str), extra_names=st.lists(HOSTS))),
        "images": some(source=st.sampled_from(["release", "auto"]), kes=REFERENCES, minio=st.none()),
        "minio": some(
            root_user=USERS,
            root_password=SECRETS,
            https=st.just(value=True),
            auto_encryption=st.booleans(),
            drives=st.integers(1, 16),
            buckets=st.lists(
                st.fixed_dictionaries({"name": BUCKETS}, optional={"key": KEY_NAMES, "mode": st.just("sse-s3")}),
                unique_by=lambda bucket: bucket["name"],
            ),
        ),
        "kes": some(cache=some(any=DURATIONS), log=some(error=st.sampled_from(["off", "debug"]))),
    },
)


@settings(max_examples=50)
@given(SPECS)
def test_what_is_written_is_read_back(tree):
    spec = load("", tree, FIELDS)
    text = spec.text()
    assert load(text, {}, FIELDS) == spec
    assert load(text, {}, FIELDS).text() == text
    # Nothing is written that the user did not say.
    assert set(yaml.safe_load(text)) == set(tree) | {"version"}


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    return json_schema(FIELDS)


def test_the_json_schema_describes_each_key(schema):
    assert json.loads(json.dumps(schema)) == schema
    assert set(schema["properties"]) == set(Spec.model_fields)
    assert set(schema["properties"]["keystore"]["properties"]) == set(FIELDS)
    assert "Chosen once" in json.dumps(schema["properties"]["engine"])


def refuses(schema, tree) -> bool:
    return not jsonschema.Draft202012Validator(schema).is_valid(tree)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_json_schema_accepts_each_sample(schema, sample):
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(parse(sample.read_text(), where=sample.name), schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"nmae": "demo"},
        {"keystore": {}},
        {"keystore": {"fs": {}, "vault": {}}},
        {"keystore": {"valt": {}}},
        {"keystore": {"vault": {"adress": "https://v"}}},
        {"network": {"s3_port": 0}},
        {"network": {"s3prt": 1}},
        {"minio": {"buckets": [{"nam": "abc"}]}},
        {"kes": {"log": {"error": "loud"}}},
        {"version": 2},
    ],
)
def test_the_json_schema_refuses_typos(schema, wrong):
    good = {"name": "demo", "keystore": {"fs": {}}}
    assert not refuses(schema, good)
    assert refuses(schema, good | wrong)

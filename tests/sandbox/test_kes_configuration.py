"""The stand-in reads KES's configuration as KES does; what we render means to it what we meant."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kesdeploy.durations import milliseconds
from kesdeploy.sandbox.kes import config
from kesdeploy.sandbox.kes.flags import Fatal, parse
from kesdeploy.sandbox.kes.identity import rules, valid_name
from kesdeploy.sandbox.kes.yamlnode import load

GOLDEN = Path(__file__).parents[1] / "golden" / "render"
GOOD = "admin: {identity: disabled}\ntls: {key: k, cert: c}\nkeystore: {fs: {path: /keys}}\n"


def refused(text: str) -> str:
    with pytest.raises(Fatal) as raised:
        config.parse(text)
    return str(raised.value)


# --- what we render


def test_what_we_render_is_understood():
    found = config.parse((GOLDEN / "kes-config-fs.yaml").read_text())
    assert (found.admin, found.keystore) == ("disabled", config.FileStore("/keys"))
    assert found.policies["minio"].deny == ("/v1/key/create/minio-backend-default-key",)
    assert set(found.policies) == {"minio", "operator"}
    assert (found.cache.any, found.cache.unused, found.cache.offline) == (300, 30, 0)
    assert (found.error_level, found.audit_level) == (config.INFO, config.INFO)
    assert (found.tls.verify, found.tls.required) == (False, True)


@given(st.lists(st.tuples(st.integers(0, 999), st.sampled_from(["ms", "s", "m", "h"])), min_size=1, max_size=4))
def test_a_duration_of_a_spec_is_the_same_length_to_kes(parts):
    text = "".join(f"{count}{unit}" for count, unit in parts)
    assert timedelta(seconds=load(text).seconds()) == timedelta(milliseconds=milliseconds(text))


# --- what KES refuses


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "EOF"),
        ("a: [", "yaml: line"),
        ("version: v2\n" + GOOD, "invalid server config version 'v2'"),
        (GOOD.replace("disabled", '""'), "no admin identity"),
        (GOOD.replace("key: k, ", ""), "no private key"),
        (GOOD.replace(", cert: c", ""), "no certificate"),
        (GOOD.replace("cert: c", "cert: c, auth: perhaps"), "invalid auth"),
        (GOOD + "policy: {a: {identities: [disabled]}}\n", "is already admin"),
        (GOOD + "cache: {expiry: {any: -5m}}\n", "invalid cache expiry"),
        (GOOD + "cache: {expiry: {any: 5}}\n", "cannot unmarshal !!int `5` into time.Duration"),
        (GOOD + "log: {error: loud}\n", "invalid syntax"),
        (GOOD + "keys: [{name: a}, {name: a}]\n", "defined multiple times"),
        (GOOD + "api: {/v1/ready: {timeout: -1s}}\n", "invalid timeout"),
        (GOOD + "tls: {key: k}\n", 'mapping key "tls" already defined at line 2'),
        (GOOD.replace("/keys", "'${NOT_SET}'"), "env. variable 'NOT_SET' in line '3' not found"),
        (GOOD.replace("fs: {path: /keys}", ""), "keystore"),
    ],
)
def test_what_kes_refuses_is_refused_in_its_words(text, words):
    assert words in refused(text)


@given(st.text(st.sampled_from("abckeystorfhdiv:{}[]-,'\"\n #&*!|>%@`${}0159")))
def test_any_text_is_a_configuration_or_refused(text):
    """A server that ends with a traceback would say nothing of the mistake."""
    assert refused(text)


def test_a_variable_stands_for_the_whole_value_alone(monkeypatch):
    monkeypatch.setenv("WHERE", "/from/env")
    assert config.parse(GOOD.replace("/keys", "'${WHERE}'")).keystore == config.FileStore("/from/env")
    assert config.parse(GOOD.replace("/keys", "'x${WHERE}'")).keystore == config.FileStore("x${WHERE}")


def test_unknown_fields_are_ignored_as_kes_does():
    assert config.parse(GOOD + "chache: {any: 1m}\nenclave: {}\n") == config.parse(GOOD)


# --- its command line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["serve"], '"serve" is not a kes command'),
        (["server", "--bogus"], "unknown flag: --bogus"),
        (["server", "-x"], "unknown shorthand flag: 'x' in -x"),
        (["server", "--config"], "flag needs an argument: --config"),
        (["server", "extra"], "too many arguments"),
        (["server", "--auth", "--config", "x"], "too many arguments"),
    ],
)
def test_a_command_line_that_kes_refuses(argv, words):
    with pytest.raises(Fatal, match="^" + words.replace("(", r"\(")):
        parse(argv)


def test_a_command_line_that_it_takes(capsys):
    assert parse(["server", "--config=a.yaml", "--addr", "0.0.0.0:7373"]).config == "a.yaml"
    assert parse(["server", "--key", "old", "--config", "a.yaml"]).config == "a.yaml"
    assert "'--key' flag is deprecated" in capsys.readouterr().err
    with pytest.raises(SystemExit) as raised:
        parse(["--help"])
    assert raised.value.code == 2


# --- what the policies that we render let through

DEFAULT = "minio-backend-default-key"
ALLOWED = {
    "minio": ["/v1/key/generate/k", "/v1/key/decrypt/k", "/v1/key/describe/k", "/v1/key/list/", "/v1/key/create/k"],
    "operator": ["/v1/key/create/" + DEFAULT, "/v1/key/delete/k", "/v1/key/encrypt/k", "/v1/policy/describe/minio"],
}
FORBIDDEN = {
    "minio": [
        "/v1/key/delete/k",
        "/v1/key/import/k",
        "/v1/key/encrypt/k",
        "/v1/policy/list/",
        "/v1/ready",
        "/v1/log/error",
    ],
    "operator": ["/v1/log/error", "/v1/log/audit"],
    "stranger": ["/v1/key/generate/k", "/v1/status", "/v1/key/list/"],
}


@pytest.fixture(scope="module")
def rendered():
    found = config.parse((GOLDEN / "kes-config-fs.yaml").read_text())
    owners = {name: policy.identities[0] for name, policy in found.policies.items()} | {"stranger": "f" * 64}
    return rules(found.admin, found.policies), owners


@pytest.mark.parametrize(("who", "path"), [(who, path) for who, paths in ALLOWED.items() for path in paths])
def test_what_each_of_ours_may(rendered, who, path):
    judge, owners = rendered
    assert judge.check(owners[who], path) == ""


@pytest.mark.parametrize(("who", "path"), [(who, path) for who, paths in FORBIDDEN.items() for path in paths])
def test_what_it_may_not(rendered, who, path):
    judge, owners = rendered
    assert judge.check(owners[who], path).startswith("access denied")


@given(
    st.lists(st.sampled_from([DEFAULT, DEFAULT[:-1], "y", "/", "//", ".", "..", "%2f", "*", "K", " ", ""]), max_size=4)
)
def test_no_way_of_writing_it_lets_minio_make_its_default_key(rendered, parts):
    """Else a lost key is replaced by a new one of its name, and nothing that it sealed opens any more."""
    judge, owners = rendered
    path = "/v1/key/create/" + "".join(parts)
    name = path.removeprefix("/v1/key/create/")
    assert not (judge.check(owners["minio"], path) == "" and valid_name(name) and name == DEFAULT)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        *((good, True) for good in ("a", "A-b_c", "_a", "9", "x" * 80)),
        *((bad, False) for bad in ("", "-a", "a-", "_", "a/b", "a.b", "ü", "a b", "x" * 81, "a\n")),
    ],
)
def test_names_are_kess(name, valid):
    assert valid_name(name) is valid

"""The Spec: flags over file over defaults, and every problem at once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kesdeploy.errors import Problem, SpecError
from kesdeploy.keystores import FIELDS
from kesdeploy.spec import KeystoreFields, Spec, load

LEAST = "name: demo\nkeystore: {fs: {}}\n"


def spec(text: str = "", **overrides: object) -> Spec:
    return load(LEAST + text, {path.replace("__", "."): value for path, value in overrides.items()}, FIELDS)


def problems(text: str, overrides: dict[str, object] | None = None) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(text, overrides or {}, FIELDS)
    assert caught.value.exit_code == 2
    return [problem.message for problem in caught.value.problems]


def problem(text: str) -> str:
    (only,) = problems(LEAST + text)
    return only


def test_defaults():
    least = spec()
    assert (least.network.s3_port, least.network.bind, least.key_name) == (
        9000,
        "127.0.0.1",
        "minio-backend-default-key",
    )
    assert (least.engine, least.images.source, least.images.pull) == ("auto", "release", "missing")
    assert least.minio.auto_encryption
    assert least.kms == "fs"


def test_flags_stand_above_the_file_and_the_file_above_the_defaults():
    both = spec("network: {s3_port: 9100, kes_port: 7400}\n", network__s3_port=9200, kes__log__error="debug")
    assert (both.network.s3_port, both.network.kes_port, both.network.console_port) == (9200, 7400, 9001)
    assert both.kes.log.error == "debug"


def test_a_flag_alone_makes_its_section_and_fills_an_empty_one():
    assert spec("network:\n", network__s3_port=9200).network.s3_port == 9200
    assert load("", {"name": "demo", "keystore.fs": {}}, FIELDS) == spec()


def test_a_flag_below_what_is_no_section_names_its_path():
    assert problems(LEAST + "network: 7\n", {"network.s3_port": 1}) == ["network.s3_port: network is not a mapping"]


def test_every_problem_is_told_at_once_each_with_its_path():
    found = problems(
        """
        nam: demo
        engine: podmn
        keystore: {fs: {pth: /x}}
        network: {s3_port: 0, bind: localhost, s3prt: 1}
        minio: {buckets: [{name: Photos}, {nam: x}], drives: 17}
        kes: {cache: {any: 5}, log: {eror: info}}
        """
    )
    assert len(found) == 13
    assert {message.split(": ")[0] for message in found} == {
        "keystore.fs.pth",
        "name",
        "nam",
        "engine",
        "network.s3_port",
        "network.bind",
        "network.s3prt",
        "minio.buckets.0.name",
        "minio.buckets.1.name",
        "minio.buckets.1.nam",
        "minio.drives",
        "kes.cache.any",
        "kes.log.eror",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minoi: {}\n", "minoi: unknown key; did you mean 'minio'?"),
        ("network: {bnd: 127.0.0.1}\n", "network.bnd: unknown key; did you mean 'bind'?"),
        ("kes: {cache: {anny: 1s}}\n", "kes.cache.anny: unknown key; did you mean 'any'?"),
        (
            "minio: {buckets: [{name: abc, mod: x}]}\n",
            "minio.buckets.0.mod: unknown key; did you mean 'mode'?",
        ),
        ("zzzzzz: 1\n", "zzzzzz: unknown key"),
        ("7: 1\n", "7: Keys should be strings"),
        ("'': 1\n", "'': unknown key"),
        ("'a\\nb': 1\n", "a\\nb: unknown key"),
        ("engine: podmn\n", "engine: Input should be 'auto', 'podman' or 'docker' (given: 'podmn')"),
        ("network: {s3_port: 70000}\n", "network.s3_port: 65535 at the most (given: 70000)"),
        ("network: {s3_port: '9000'}\n", "network.s3_port: a whole number is needed here (given: '9000')"),
        ("network: [1]\n", "network: a mapping is needed here"),
        ("minio: {buckets: 3}\n", "minio.buckets: Input should be a valid tuple"),
        ("version: 2\n", "version: Input should be 1 (given: 2)"),
    ],
)
def test_what_is_wrong_is_told_with_the_value_and_what_was_meant(text, message):
    assert problem(text) == message


def test_a_typo_in_a_nested_keystore_section():
    text = "name: demo\nkeystore: {vault: {address: 'https://v', approle: {idd: env:X}}}\n"
    assert problems(text) == ["keystore.vault.approle.idd: unknown key; did you mean 'id'?"]


@pytest.mark.parametrize(
    ("keystore", "message"),
    [
        ("", "keystore: required"),
        ("keystore:\n", "keystore: required"),
        ("keystore: fs\n", "keystore: exactly one keystore is needed"),
        ("keystore: {}\n", "keystore: exactly one keystore is needed"),
        ("keystore: {fs: {}, vault: {}}\n", "keystore: exactly one keystore is needed"),
        ("keystore: {valt: {}}\n", "keystore.valt: unknown keystore; did you mean 'vault'?"),
        ("keystore: {fs: 0}\n", "keystore.fs: a mapping is needed here"),
        ("keystore: {fs: []}\n", "keystore.fs: a mapping is needed here"),
    ],
)
def test_exactly_one_known_keystore(keystore, message):
    (found,) = problems(f"name: demo\n{keystore}")
    assert found.startswith(message)


def test_a_keystore_without_settings_may_stand_alone():
    assert load("name: demo\nkeystore: {fs:}\n", {}, FIELDS) == spec()


@pytest.mark.parametrize("name", ["a", "demo", "a-1", "minio-kes", "a" * 40])
def test_good_deployment_names(name):
    assert spec(name=name).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a_b", "a.b", "a/b", "../x", "a" * 41, "ä", "a\n", "a b", "٣"])
def test_bad_deployment_names(name):
    assert problems(LEAST, {"name": name})[0].startswith("name: a name starts with")


@pytest.mark.parametrize("key", ["k", "minio-backend-default-key", "A_b-9", "_a", "a" * 80])
def test_good_key_names(key):
    assert spec(key_name=key).key_name == key


@pytest.mark.parametrize(
    "key", ["", "-k", "k-", "_", "___", "a.b", "a/b", "a b", "a" * 81, "ü", "k\n", "env", "env-prod"]
)
def test_bad_key_names(key):
    assert problems(LEAST, {"key_name": key})[0].startswith("key_name: ")


@pytest.mark.parametrize("bucket", ["abc", "a.b-c", "123", "a" * 63])
def test_good_bucket_names(bucket):
    assert spec(minio__buckets=[{"name": bucket}]).minio.buckets[0].name == bucket


@pytest.mark.parametrize("bucket", ["", "ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "a..b", "a/b", "abc\n"])
def test_bad_bucket_names(bucket):
    assert problems(LEAST, {"minio.buckets": [{"name": bucket}]})[0].startswith("minio.buckets.0.name: ")


@pytest.mark.parametrize("duration", ["0s", "30s", "5m", "1h30m", "1500ms", "2500000h"])
def test_good_durations(duration):
    assert spec(kes__cache__any=duration).kes.cache.any == duration


@pytest.mark.parametrize("duration", ["", "0", "30", "s", "-5s", "1d", "5 m", "٣s", "5m\n", "1h 30m", "99999999999h"])
def test_bad_durations(duration):
    assert problems(LEAST, {"kes.cache.any": duration})[0].startswith("kes.cache.any: a duration ")


@pytest.mark.parametrize("port", [0, -1, 65536, "9000", 9.5, True, None])
def test_bad_ports(port):
    assert problems(LEAST, {"network.s3_port": port})[0].startswith("network.s3_port: ")


def test_two_ports_that_are_one():
    assert problem("network: {console_port: 9000}\n") == "network: console_port and s3_port are both 9000"


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", "127.0.0.9", "192.168.1.2"])
def test_https_follows_the_address(bind):
    bound = spec(network__bind=bind)
    assert bound.https is not bound.network.loopback


@pytest.mark.parametrize(
    ("bind", "instead"),
    [("::", "0.0.0.0"), ("::1", "127.0.0.1"), ("fd00::2", "0.0.0.0"), ("::ffff:10.1.2.3", "0.0.0.0")],
)
def test_an_address_that_nobody_would_answer_on_is_refused(bind, instead):
    message = problem(f"network: {{bind: '{bind}'}}\n")
    assert message.startswith("network.bind: containers have no IPv6 in the engine's default network")
    assert f"write {instead} " in message


def test_https_can_be_chosen_but_not_left_out_on_a_real_network():
    assert spec(minio__https=True).https
    assert not spec(minio__https=False).https
    message = problem("network: {bind: 0.0.0.0}\nminio: {https: false}\n")
    assert message == "minio.https cannot be off while network.bind is 0.0.0.0"


def test_a_bucket_named_twice():
    assert problem("minio: {buckets: [{name: abc}, {name: abc}]}\n") == "minio.buckets: named twice: abc"


def test_words_that_yaml_would_take_for_booleans():
    text = spec("kes: {log: {error: off, audit: off}}\nminio: {auto_encryption: off, https: on}\n")
    assert (text.kes.log.error, text.kes.log.audit) == ("off", "off")
    assert text.minio.auto_encryption is False
    assert text.minio.https is True


@pytest.mark.parametrize("source", ["@/run/secrets/pw", "@pw.txt", "env:ROOT_PASSWORD", "env:_x9"])
def test_where_a_secret_is_read_from(source):
    assert spec(minio__root_password=source).minio.root_password == source


@pytest.mark.parametrize(
    "value",
    [
        "hunter2-hunter2",
        "@",
        "env:",
        "env:9HUNTER2",
        "@hunter2\nhunter2",
        402834028340,
        ["hunter2"],
        {"hunter2": 1},
        True,
    ],
)
def test_a_secret_itself_is_refused_and_never_repeated(value):
    with pytest.raises(SpecError) as caught:
        load(LEAST, {"minio.root_password": value}, FIELDS)
    told = f"{caught.value} {caught.value.because} {caught.value.hint} {caught.value.problems}"
    assert "minio.root_password: " in told
    assert not any(part in told for part in ("hunter2", "HUNTER2", "402834028340"))


@pytest.mark.parametrize(
    "text",
    [
        "minio: hunter2\n",
        "minio: [hunter2]\n",
        "minio: {root_passwrd: hunter2}\n",
        "minio: {root_password: {value: hunter2}}\n",
        "minio: {buckets: {root_password: hunter2}}\n",
        "minio: {buckets: [hunter2]}\n",
    ],
)
def test_nor_when_it_stands_in_the_wrong_place(text):
    assert "hunter2" not in problem(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"address": "https://user:hunter2@vault.example.org"},
        {"address": "http://user:hunter2@vault.example.org"},
        {"address": "https://v", "approle": {"id": "hunter2"}},
        {"address": "https://v", "approle": {"secret": 7_777_777}},
        {"address": "https://v", "approle": "hunter2"},
    ],
)
def test_nor_in_a_keystore(fields):
    (found,) = problems("name: demo\n", {"keystore.vault": fields})
    assert found.startswith("keystore.vault.")
    assert "hunter2" not in found
    assert "7777777" not in found


def test_a_value_without_end_is_shown_in_short():
    assert len(problems(LEAST, {"engine": "x" * 10_000})[0]) < 200


def test_aliases_that_multiply_cost_nothing():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(SpecError) as raised:
        load("\n".join([*lines, "minio: {drives: *a11}", LEAST]), {}, FIELDS)
    assert "anchors" in raised.value.because
    assert len(raised.value.because) < 300


def test_a_spec_is_frozen():
    frozen = spec()
    with pytest.raises(ValidationError):
        frozen.name = "other"
    with pytest.raises(ValidationError):
        frozen.network.s3_port = 1


def test_cache_that_would_not_be_one_is_refused():
    text = "name: dev\nkeystore: {fs: {}}\nkes: {cache: {unused: 0s}}\n"
    with pytest.raises(SpecError, match=r"a problem") as found:
        load(text, {}, FIELDS)
    assert "kes.cache.unused" in found.value.because


class Picky(KeystoreFields):
    kind = "picky"

    def complaints(self, spec: Spec) -> tuple[Problem, ...]:
        return tuple(Problem("spec", f"{path}: no 'x', please") for path, name in spec.key_names if "x" in name)


def test_a_keystore_may_complain_of_the_rest():
    text = "name: d\nkeystore: {picky: {}}\nkey_name: %s\nminio: {buckets: [{name: one}, {name: two, key: %s}]}\n"
    assert load(text % ("fine", "good"), {}, {"picky": Picky}).kms == "picky"
    with pytest.raises(SpecError) as caught:
        load(text % ("ax", "bx"), {}, {"picky": Picky})
    assert [problem.message for problem in caught.value.found] == [
        "key_name: no 'x', please",
        "minio.buckets.1.key: no 'x', please",
    ]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"memory": "2G"}, "limits.minio.memory: a size is a whole number and a unit"),
        ({"memory": 2}, "limits.minio.memory: a size is a whole number and a unit"),
        ({"memory": "63MiB"}, "limits.minio.memory: none of these servers starts with less than 64MiB"),
        ({"cpus": True}, "limits.minio.cpus: a number of processors is needed"),
        ({"cpus": 0}, "limits.minio.cpus: "),
        ({"cpus": ".nan"}, "limits.minio.cpus: "),
        ({"memroy": "1GiB"}, "limits.minio.memroy: unknown key; did you mean 'memory'"),
    ],
)
def test_a_limit_that_is_none(limit, words):
    with pytest.raises(SpecError) as refused:
        load("name: demo\nkeystore: {fs: {}}\n", {"limits": {"minio": limit}}, FIELDS)
    assert [problem.message for problem in refused.value.problems if problem.message.startswith(words)]


def test_a_limit_as_it_is_typed():
    spec = load("name: demo\nkeystore: {fs: {}}\n", {"limits.minio.cpus": "1.5", "limits.minio.memory": "1GiB"}, FIELDS)
    assert (spec.limits.minio.cpus, spec.limits.minio.memory) == (1.5, "1GiB")

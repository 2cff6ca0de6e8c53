"""Order and decisions of `policy --prove`; that it proves anything is seen with real keystores (tests/live)."""

from __future__ import annotations

import re

import pytest
from core_fixtures import World, spec_of, world

from kesdeploy import probing, teardown
from kesdeploy.errors import ServiceError, StateError, UsageError
from kesdeploy.home import Home
from kesdeploy.keystores import KEYSTORES
from kesdeploy.keystores.aws import Aws
from kesdeploy.opening import Wish
from kesdeploy.state import StateFile

AWS = {
    "keystore.aws": {"region": "eu-central-1", "credentials": {"accesskey": "env:ID", "secretkey": "env:SECRET"}},
    "name": "demo",
}


class Told(list):
    """A Reporter that remembers."""

    def step(self, title):
        from contextlib import nullcontext

        self.append(title)
        return nullcontext()

    def note(self, text):
        self.append(text)

    warn = note


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    monkeypatch.setattr("kesdeploy.probing.open_engine", lambda *_: made.engine)
    monkeypatch.setattr(Aws, "preflight", lambda *_: None)
    monkeypatch.setenv("ID", "AKIA")
    monkeypatch.setenv("SECRET", "s3cret")

    def reloaded(call: tuple[str, ...]) -> None:
        if call[0] == "signal":
            made.engine.says(call[1], "Reloading configuration after SIGHUP signal completed")

    made.engine.on_call = reloaded
    return made


def tried(told: Told | None = None, **more) -> dict:
    return probing.prove(
        Wish("policy", overrides={**AWS, **more}, timeout=1), told if told is not None else Told()
    ).data


def test_the_key_is_made_used_and_removed_and_told_first(here):
    told = Told()
    data = tried(told)
    key = data["proof"]["key"]
    assert re.fullmatch("minio-demo-kesdeploy-probe-[0-9a-f]{8}", key), "inside of what the policy allows"
    assert 'secret:minio-demo-*"' in data["policy"]
    assert key in told[0]
    assert told.index("make a key") > 1
    assert data["proof"] == {"key": key, "removed": True, "because": ""}
    assert here.kes.keys == {}
    assert Home.all() == ()
    assert here.engine.containers({}) == ()
    assert ("signal", next(c[1] for c in here.engine.calls if c[0] == "signal"), "SIGHUP") in here.engine.calls


def test_who_removes_it_looks_at_the_engine_that_it_ran_on(here, monkeypatch):
    remove, engines = teardown.remove, []

    def look(wish, report, *, data):
        engines.append(StateFile.open(Home.of(wish.name)).value.engine)
        return remove(wish, report, data=data)

    monkeypatch.setattr(teardown, "remove", look)
    tried()
    assert engines == [here.engine.info().name]


def test_a_home_that_cannot_be_prepared_is_told_as_it_is(here, monkeypatch):
    def full(_):
        raise StateError("no room", hint="df -h")

    monkeypatch.setattr(Home, "prepare", full)
    with pytest.raises(StateError, match="no room"):
        tried()


def test_a_deployment_that_is_there_is_tried_with_the_credentials_that_it_keeps(here, monkeypatch):
    home = Home.of("demo")
    home.prepare()
    for half in ("accesskey", "secretkey"):
        home.write_secret(f"aws-credentials-{half}", "kept")
    written = spec_of("name: demo", keystore={"aws": AWS["keystore.aws"]})
    home.write("kesdeploy.yaml", written.text().encode())
    monkeypatch.delenv("ID")
    monkeypatch.delenv("SECRET")
    assert probing.prove(Wish("policy", "demo", timeout=1), Told()).data["proof"]["removed"]
    assert [each.name for each in Home.all()] == ["demo"]
    assert home.read_secret("aws-credentials-secretkey") == "kept"


@pytest.mark.parametrize(
    ("settings", "before"),
    [
        ({"kes__key_prefix": "team-", "key_name": "team-k"}, "team-"),
        ({"key_name": "mine"}, ""),
        ({"key_name": "minio-demo-3f9a1c"}, "minio-demo-"),
    ],
)
def test_its_name_is_among_those_that_the_policy_allows(settings, before):
    spec = spec_of("name: demo\nkeystore: {aws: {region: eu-central-1}}", **settings)
    name = probing.probe_name(spec)
    assert re.fullmatch(rf"{before}kesdeploy-probe-[0-9a-f]{{8}}", name)
    if before:
        assert f'secret:{before}*"' in KEYSTORES["aws"].policy(spec)


def test_a_key_that_may_not_be_removed_is_named(here, monkeypatch):
    def refused(*_):
        raise ServiceError("KES does not delete", because="AccessDenied", status=500)

    monkeypatch.setattr("core_fixtures._Door.delete_key", refused)
    told = Told()
    proof = tried(told)["proof"]
    assert proof["removed"] is False
    assert "secretsmanager:DeleteSecret" in proof["because"]
    assert any(f"{proof['key']} stays" in text for text in told)


def test_a_deletion_that_only_seemed_to_work_is_not_believed(here, monkeypatch):
    """CipherTrust denies one as if there were no such key, which KES takes for success."""
    monkeypatch.setattr("core_fixtures._Door.delete_key", lambda *_: None)
    assert tried()["proof"]["removed"] is False


@pytest.mark.parametrize(
    ("method", "right"), [("create_key", "CreateSecret"), ("generate", "GetSecretValue"), ("decrypt", "GetSecretValue")]
)
def test_what_is_denied_names_the_right_and_leaves_nothing(here, monkeypatch, method, right):
    def refused(*_):
        raise ServiceError("KES does not", because="bad gateway", status=502)

    monkeypatch.setattr(f"core_fixtures._Door.{method}", refused)
    with pytest.raises(ServiceError) as found:
        tried()
    assert f"secretsmanager:{right}" in found.value.hint
    assert found.value.status == 502
    assert here.kes.keys == {}
    assert Home.all() == ()


def test_ctrl_c_leaves_no_key(here, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("core_fixtures._Door.generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tried()
    assert here.kes.keys == {}
    assert Home.all() == ()


def test_where_nothing_is_granted_nothing_is_proven(here):
    own = [{"keystore.fs": {}}, {"keystore.vault": {}}]
    theirs = {"keystore.kes": {"endpoints": ["https://kes.example.org:7373"]}}
    made = {"keystore.vault": {"address": "https://vault.example.org:8200"}}
    for section in (*own, theirs, made):
        with pytest.raises(UsageError) as found:
            probing.prove(Wish("policy", overrides={**section, "name": "demo"}), Told())
        assert found.value.hint
    assert here.engine.calls == []


def test_what_follows_from_the_name_is_kept_under_another():
    spec = spec_of("name: demo\nkeystore: {vault: {address: 'https://vault.example.org:8200'}}")
    other = spec.model_copy(update={"name": "probe-1", "keystore": KEYSTORES["vault"].spelt_out(spec)})
    assert KEYSTORES["vault"].policy(spec).replace("demo", "X") == KEYSTORES["vault"].policy(other).replace("demo", "X")


def test_every_keystore_says_which_rights_it_needs():
    shared = [k for k in KEYSTORES.values() if k.kind not in ("fs", "kes")]
    assert all(all(keystore.habits.rights) for keystore in shared)

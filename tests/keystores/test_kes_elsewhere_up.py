"""A deployment whose KES others run, through the commands: that KES speaks; engine and MinIO only remember."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from bao import Told, free_port
from core_fixtures import world
from their_kes import TheirKes

from kesdeploy import deploy, environment, granting, logs, overview, pki, services
from kesdeploy.clients.kes import Kes
from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.keystores import FIELDS
from kesdeploy.opening import Wish
from kesdeploy.spec import load

KEY, MINIO, CLIENT = "demo-key", "container/minio-server", "identity/minio"
USE = tuple(f"/v1/key/{verb}/{KEY}" for verb in ("generate", "decrypt"))
DESCRIBE, CREATE = f"/v1/key/describe/{KEY}", f"/v1/key/create/{KEY}"
DOOR = services.kes


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    kes = TheirKes(tmp_path_factory.mktemp("kes"))
    yield kes
    kes.stop()


@pytest.fixture
def here(theirs, tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.keystores.kes.login.refuse_loopback", lambda *_, **__: None)
    made = Here(theirs, tmp_path, monkeypatch)
    yield made
    if made.key_is_there:
        theirs.door.delete_key(KEY)


class Here:
    """A deployment `demo` of which nothing is there, and whose identity nobody allowed yet."""

    def __init__(self, theirs, folder, monkeypatch) -> None:
        self.theirs, self.file, self.told = theirs, folder / "demo.yaml", Told()
        self.world = world(folder, monkeypatch, self.says())
        self.world.command_line(monkeypatch)
        self.world.store.key = KEY
        monkeypatch.setattr(services, "kes", DOOR)
        monkeypatch.setattr("kesdeploy.clients.kes.Kes", Kes)

    def says(self, fields: str = "", *, endpoints: str = ""):
        """What its spec says from now on."""
        kes = f"endpoints: '{endpoints or self.theirs.address}', ca: '{self.theirs.ca}', {fields}"
        self.file.write_text(f"name: demo\nkey_name: {KEY}\nkeystore: {{kes: {{{kes}}}}}\n")
        return load(self.file.read_text(), {}, FIELDS)

    def up(self, *, adopt: bool = False):
        return deploy.up(Wish("up", "demo", self.file, timeout=5, adopt_key=adopt), self.told)

    def do(self, command: str, **options):
        return getattr(deploy, command)(Wish(command, "demo", timeout=5), self.told, **options)

    def refused(self, error=ServiceError, **options):
        with pytest.raises(error) as raised:
            self.up(**options)
        assert ("start", "demo-minio-server") not in self.world.engine.calls
        return raised.value

    @property
    def identity(self) -> str:
        return pki.identity(self.world.home.identity("minio")[0].read_bytes())

    @property
    def key_is_there(self) -> bool:
        return KEY in list(self.theirs.door.list_keys())

    def let_in(self, *patterns: str) -> None:
        """The operator allows what the policy says, or `patterns`, and makes the key unless MinIO is to make it."""
        if not self.world.home.identity("minio")[0].exists():
            self.refused()
        self.theirs.allow(self.identity, *(patterns or (*USE, DESCRIBE)))
        if CREATE not in patterns:
            self.theirs.door.create_key(KEY)

    def running(self):
        self.let_in()
        return self.up(adopt=True)


def test_until_it_is_allowed_up_names_the_identity_and_where_the_policy_is(here):
    error = here.refused()
    assert error.exit_code == 6
    assert here.identity in error.what
    assert "insufficient permissions" in error.because
    assert "kesdeploy policy -n demo" in error.hint
    before = here.identity
    here.refused()
    assert here.identity == before, "the operator would have to be asked again each time"


def test_the_policy_names_the_identity_once_there_is_one(here):
    wish = Wish("policy", "demo", here.file)
    assert "kesdeploy up makes <identity minio>" in granting.policy(wish).data["policy"]
    here.refused()
    policy = yaml.safe_load(granting.policy(wish).data["policy"])["policy"]["minio-demo"]
    here.theirs.policies["demo"] = policy
    here.theirs.reload()
    here.theirs.door.create_key(KEY)
    assert here.up(adopt=True).ok
    here.theirs.policies.pop("demo")


def test_a_key_that_is_missing_is_for_the_operator_to_make(here):
    here.refused()
    here.theirs.allow(here.identity, *USE, DESCRIBE)
    error = here.refused()
    assert (error.exit_code, KEY in error.hint, "--adopt-key" in error.hint) == (6, True, True)
    assert not here.key_is_there


def test_a_key_of_somebody_else_is_taken_only_when_told(here):
    here.let_in()
    assert here.refused(DataProtected).exit_code == 9
    assert here.up(adopt=True).ok


def test_who_may_not_describe_a_key_is_told_the_same(here):
    here.let_in(*USE)
    assert "nobody that KES tells" in here.refused(DataProtected).because
    assert here.up(adopt=True).ok
    assert here.up().data["changes"] == []


def test_a_key_that_minio_may_create_is_made_with_a_warning(here):
    here.let_in(*USE, DESCRIBE, CREATE)
    assert here.up().ok
    assert any(f"deny: [{CREATE}]" in warning for warning in here.told.warnings)


def test_nothing_of_kes_is_here_and_a_second_up_changes_nothing(here):
    assert here.running().ok
    assert list(here.world.engine._containers) == ["demo-minio-server"]
    assert not (here.world.home.root / "config" / "kes").exists()
    assert not here.world.home.identity("operator")[0].exists()
    assert here.up().data["changes"] == []


def test_the_proof_says_that_its_cache_was_not_emptied(here):
    checks = {check["name"]: check for check in here.running().data["checks"]}
    assert all(check["ok"] for check in checks.values())
    assert "KES is not ours" in checks["object"]["evidence"]
    assert "insufficient permissions" in checks["KES refuses a stranger"]["evidence"]


def test_stop_start_status_and_what_is_not_here(here):
    here.running()
    assert here.do("stop").data["stopped"] == ["demo-minio-server"]
    assert here.do("start").ok
    status = overview.status(Wish("status", "demo", timeout=5), here.told)
    assert (status.ok, status.data["keystore"]) == (True, {"kind": "kes", "state": "ok"})
    assert status.data["endpoints"]["kes"] == here.theirs.address
    with pytest.raises(UsageError, match="no kes of its own"):
        list(logs.lines(Wish("logs", "demo"), logs.Which("kes")))
    with pytest.raises(UsageError, match="run by others"):
        list(logs.events(Wish("logs", "demo"), logs.Which()))
    with pytest.raises(UsageError, match="not restarted"):
        here.do("check", restart=True)


def test_a_key_that_is_gone_is_not_replaced(here):
    here.let_in(*USE, DESCRIBE, CREATE)
    here.up()
    here.do("stop")
    here.theirs.door.delete_key(KEY)
    here.world.engine.calls.clear()
    assert "gone from the keystore" in here.refused(DataProtected).what
    assert not here.key_is_there


def test_env_is_minios_own_login(here):
    here.running()
    found = environment.exports(Wish("env", "demo"), here.told, kes=True).data["variables"]
    assert pki.identity(pki.key_of(found["KES_API_KEY"])) == here.identity
    assert found["KES_SERVER"] == here.theirs.address
    assert here.theirs.ca.read_text().strip() in Path(found["SSL_CERT_FILE"]).read_text()


def brought(here, kind: str) -> str:
    """Something new that the user brings; the fields that name it."""
    folder = here.file.parent
    if kind == "API key":
        (folder / "api-key").write_text(pki.new_api_key())
        return f"api_key: '@{folder}/api-key'"
    certificate, key = here.theirs.client("demo")
    return f"certificate: {certificate}, key: '@{key}'"


@pytest.mark.parametrize("kind", ["API key", "certificate"])
def test_an_identity_that_was_brought_and_another_one_later(here, kind):
    here.says(brought(here, kind))
    here.running()
    env = (here.world.home.root / "config" / "minio" / "minio").read_text()
    assert ("MINIO_KMS_KES_API_KEY" in env, "MINIO_KMS_KES_CERT_FILE" in env) == (kind == "API key", kind != "API key")
    assert here.up().data["changes"] == []

    before = here.identity
    here.says(brought(here, kind))
    here.world.engine.calls.clear()
    with pytest.raises(ServiceError):
        here.up()
    assert here.identity != before
    assert here.world.engine.container("demo-minio-server").running, "one that nobody allowed must not stop MinIO"
    here.theirs.allow(here.identity, *USE, DESCRIBE)
    changes = {(c["verb"], c["address"]) for c in here.up().data["changes"]}
    assert ("restart", MINIO) in changes


def test_the_endpoint_that_answers_is_asked(here):
    here.says(endpoints=f"https://127.0.0.1:{free_port()},{here.theirs.address}")
    assert here.running().ok
    assert any("MinIO uses the others" in warning for warning in here.told.warnings)

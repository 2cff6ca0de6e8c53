from __future__ import annotations

import pytest
from core_fixtures import World, world
from trust import KES, MINIO, Killed, Trust

from kesdeploy import containers, deploy, ensure, identities, overview, pki, recredential, services
from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.opening import Wish
from kesdeploy.recredential import Chosen
from kesdeploy.report import Silent

MINIO_ONLY, OPERATOR, ROOT = Chosen(("minio",)), Chosen(("operator",)), Chosen(root=True)
ALL = Chosen(identities.NAMES, root=True)
MODES = pytest.mark.parametrize("trust", ["api-key", "certificate"], indirect=True)


@pytest.fixture
def trust(tmp_path, monkeypatch, request) -> Trust:
    """A deployment that is up, with its servers' memories."""
    made = world(tmp_path, monkeypatch)
    made.command_line(monkeypatch)
    found = Trust.over(made, monkeypatch)
    auth = getattr(request, "param", "api-key")
    up(keystore__fs={}, kes__auth=auth)
    made.engine.calls.clear()
    found.effects, found.halves = 0, []
    return found


def up(**overrides):
    over = {path.replace("__", "."): value for path, value in overrides.items()}
    return deploy.up(Wish("up", "fs", overrides=over, timeout=1), Silent())


def rotate(chosen: Chosen, **secrets: str):
    told = {name.replace("_", "-"): value for name, value in secrets.items()}
    return recredential.rotate_credentials(Wish("rotate-credentials", "fs", timeout=1, secrets=told), Silent(), chosen)


def names(here: World) -> dict[str, str]:
    return {name: pki.identity(here.home.secret(f"{name}.key").read_bytes()) for name in identities.NAMES}


def assert_settled(trust: Trust) -> None:
    """One identity each is trusted, in memory and on disk; nothing is left to do, and nothing lies about."""
    now = names(trust.world)
    assert trust.policies == trust.named() == {now["minio"]: "minio", now["operator"]: "operator"}
    assert trust.connected == trust.minio == trust.present() == now["minio"]
    assert trust.password == trust.world.home.read_secret("root-password")
    assert not [path for path in trust.world.home.path("secrets").iterdir() if ".old." in path.name]
    assert not [path for path in trust.world.home.path("secrets").iterdir() if ".gone." in path.name]
    assert deploy.plan(Wish("plan", "fs", timeout=1), Silent()).data["changes"] == []


@MODES
def test_a_new_identity_for_minio_is_taken_up_and_the_old_one_refused(trust):
    before = names(trust.world)
    result = rotate(MINIO_ONLY)
    assert result.ok
    assert [new["what"] for new in result.data["rotated"]] == ["kes"]
    after = names(trust.world)
    assert (
        result.data["rotated"][0]["before"] == before["minio"] != after["minio"] == result.data["rotated"][0]["after"]
    )
    assert after["operator"] == before["operator"]
    assert "KES refuses the old identity minio" in [check["name"] for check in result.data["checks"]]
    assert trust.halves == []
    assert_settled(trust)


@pytest.mark.parametrize(
    ("trust", "calls"),
    [
        ("api-key", [("signal", MINIO, "SIGKILL"), ("start", MINIO)]),
        ("certificate", [("signal", MINIO, "SIGHUP"), ("stop", KES), ("start", KES)]),
    ],
    indirect=["trust"],
)
def test_both_are_trusted_then_one_of_the_two_is_restarted_then_the_new_one_alone(trust, calls):
    rotate(MINIO_ONLY)
    reload = ("signal", KES, "SIGHUP")
    done = [call for call in trust.world.engine.calls if call != ("close",)]
    # Before MinIO is started, KES forgets its keys: the gate.
    assert [call for n, call in enumerate(done) if call != reload or n in (0, len(done) - 1)] == [
        reload,
        *calls,
        reload,
    ]


def test_kesdeploys_own_identity_restarts_nothing(trust):
    before = names(trust.world)
    assert rotate(OPERATOR).ok
    assert not [call for call in trust.world.engine.calls if call[0] in ("start", "stop")]
    after = names(trust.world)
    assert (after["minio"], after["operator"] != before["operator"]) == (before["minio"], True)
    assert_settled(trust)


@pytest.mark.parametrize("typed", ["", "a password that was typed"])
def test_a_root_password_generated_or_typed(trust, typed):
    before = trust.world.home.read_secret("root-password")
    result = rotate(ROOT, **({"root_password": typed} if typed else {}))
    after = trust.world.home.read_secret("root-password")
    assert after != before
    assert after == (typed or after)
    assert {before, after}.isdisjoint(str(result.data).split("'"))
    assert "MinIO refuses the old root password" in [check["name"] for check in result.data["checks"]]
    assert_settled(trust)


def test_a_root_password_from_a_file(trust, tmp_path):
    (tmp_path / "new").write_text("another password\n")
    rotate(Chosen(root=True, source=f"@{tmp_path}/new"))
    assert trust.password == "another password"
    (tmp_path / "new").unlink()
    assert_settled(trust)


def test_a_root_password_that_cannot_be_used_changes_nothing(trust):
    same = trust.world.home.read_secret("root-password")
    for typed, words in ((same, "already"), ("short", "cannot use"), ("environment", "cannot use")):
        with pytest.raises(UsageError, match=words):
            rotate(ALL, root_password=typed)
    assert not [call for call in trust.world.engine.calls if call[0] in ("start", "signal")]
    assert_settled(trust)


def test_the_place_that_the_spec_names_is_where_the_new_one_has_to_be(trust, tmp_path):
    (tmp_path / "root").write_text("the first password")
    up(minio__root_password=f"@{tmp_path}/root")
    for chosen in (ROOT, Chosen(root=True, source=f"@{tmp_path}/other")):
        (tmp_path / "other").write_text("quite another one")
        with pytest.raises(UsageError, match="the spec reads the root password from"):
            rotate(chosen)
    (tmp_path / "root").write_text("the second password")
    rotate(ROOT)
    assert trust.password == "the second password"
    assert_settled(trust)


@MODES
def test_all_at_once_restarts_minio_once(trust):
    assert rotate(ALL).ok
    starts = [call for call in trust.world.engine.calls if call[0] == "start"]
    assert starts == [("start", MINIO)]
    assert trust.halves == []
    assert_settled(trust)


def killed_at(trust: Trust, step: int, chosen: Chosen) -> bool:
    """Whether there was such a step."""
    trust.effects, trust.kill_after, trust.halves = 0, step, []
    try:
        rotate(chosen)
    except Killed:
        return True
    finally:
        trust.kill_after = 0
    return False


@pytest.mark.parametrize(
    ("trust", "again"), [("api-key", False), ("certificate", False), ("certificate", True)], indirect=["trust"]
)
def test_killed_after_each_effect_minio_can_start_and_the_next_one_finishes(trust, again):
    step = 1
    while killed_at(trust, step, ALL):
        assert trust.halves == [], step
        assert (rotate(ALL) if again else up()).ok, step
        assert trust.halves == [], step
        assert_settled(trust)
        step += 1
    assert step > 15, "or nothing was killed"


def test_what_was_left_is_told_and_up_ends_it(trust):
    step = 1
    while not identities.retiring(trust.world.home):
        killed_at(trust, step, MINIO_ONLY)
        step += 1
    problems = overview.status(Wish("status", "fs", timeout=1), Silent()).problems
    assert ("warning", True) in [(p.code, "the old identity minio" in p.message) for p in problems]
    assert up().ok
    assert not [p for p in overview.status(Wish("status", "fs", timeout=1), Silent()).problems if p.code == "warning"]


@pytest.mark.parametrize("trust", ["certificate"], indirect=True)
def test_as_long_as_minio_asks_as_its_old_self_both_are_trusted(trust, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(containers, "restart", lambda *_: None)
        with pytest.raises(ServiceError, match="still asks KES as its old identity") as raised:
            rotate(MINIO_ONLY)
    assert "kesdeploy stop" in raised.value.hint
    assert sorted(trust.policies.values()) == ["minio", "minio-former", "operator"]
    assert trust.halves == []
    up()
    assert_settled(trust)


def test_an_old_one_that_is_let_in_fails_the_command(trust, monkeypatch):
    monkeypatch.setattr(trust, "_ask", lambda _: None)
    result = rotate(MINIO_ONLY)
    assert (result.ok, result.exit_code) == (False, 7)
    assert "KES refuses the old identity minio: it is let in" in [p.message for p in result.problems]


def test_what_does_not_run_is_not_changed(trust):
    deploy.stop(Wish("stop", "fs", timeout=1), Silent())
    before = names(trust.world)
    with pytest.raises(UsageError, match="while KES and MinIO run") as raised:
        rotate(ALL)
    assert "kesdeploy start" in raised.value.hint
    assert names(trust.world) == before


def test_other_changes_come_first(trust):
    spec = trust.world.home.spec
    spec.write_text(spec.read_text() + "minio: {auto_encryption: false}\n")
    before = names(trust.world)
    with pytest.raises(UsageError, match="other changes wait") as raised:
        rotate(OPERATOR)
    assert raised.value.because == "restart container/minio-server"
    assert names(trust.world) == before
    # That one restarts MinIO anyway, and says so.
    rotate(MINIO_ONLY)
    assert_settled(trust)


def test_keys_that_an_old_identity_made_are_still_ours(trust):
    """A fingerprint is asked for first; where that is lost, a shared keystore's key is known by its maker."""
    before, here = names(trust.world), trust.world
    for _ in range(2):
        rotate(Chosen(identities.NAMES))
    key = here.spec.key_name
    assert here.kes.makers[key] == before["operator"]
    door = services.kes(here.spec, here.home)
    ensure._refuse_strange_key(here.deployment, door, key)
    here.kes.makers[key] = "0" * 64
    with pytest.raises(DataProtected, match="did not make it"):
        ensure._refuse_strange_key(here.deployment, door, key)

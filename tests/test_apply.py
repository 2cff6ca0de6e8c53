from __future__ import annotations

import threading
from typing import get_args

import pytest
from core_fixtures import World, spec_of, world

from kesdeploy import apply, observe
from kesdeploy.errors import EngineError, Interrupted, KesdeployError
from kesdeploy.plan import Change, Plan, Verb, diff
from kesdeploy.resources import Body, Key, Resource, Secret


def _plan(*resources: Resource, keep: tuple[str, ...] = ()) -> Plan:
    return Plan(
        tuple(Change(Verb.KEEP if r.address in keep else Verb.CREATE, r.address, "missing", r) for r in resources)
    )


def _node(name: str, *needs: str) -> Resource:
    return Resource(f"key/{name}", Key(name), tuple(f"key/{need}" for need in needs))


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


def _doing(monkeypatch, do) -> None:
    monkeypatch.setitem(apply._DO, Key, lambda _d, resource, _c: do(resource.name))


def test_what_is_needed_is_finished_before_what_needs_it_begins(here, monkeypatch):
    done: list[str] = []
    seen: dict[str, set[str]] = {}

    def do(name: str) -> None:
        seen[name] = set(done)
        threading.Event().wait(0.01)
        done.append(name)

    _doing(monkeypatch, do)
    apply.apply(_plan(_node("a"), _node("b", "a"), _node("c", "a"), _node("d", "b", "c")), here.deployment)
    assert seen["b"] >= {"a"}
    assert seen["c"] >= {"a"}
    assert seen["d"] == {"a", "b", "c"}
    assert sorted(done) == ["a", "b", "c", "d"]


def test_a_kept_part_between_two_changes_does_not_break_the_order(here, monkeypatch):
    done: list[str] = []

    def do(name: str) -> None:
        threading.Event().wait(0.02 if name == "a" else 0)
        done.append(name)

    _doing(monkeypatch, do)
    apply.apply(_plan(_node("a"), _node("b", "a"), _node("c", "b"), keep=("key/b",)), here.deployment)
    assert done == ["a", "c"]


def test_independent_steps_run_side_by_side(here, monkeypatch):
    both = threading.Barrier(2, timeout=5)
    _doing(monkeypatch, lambda _: both.wait())
    apply.apply(_plan(_node("a"), _node("b")), here.deployment)


def test_the_first_error_stops_what_has_not_begun_and_lets_finish_what_runs(here, monkeypatch):
    failed, done = threading.Event(), []

    def do(name: str) -> None:
        if name == "bad":
            failed.set()
            raise EngineError("no")
        if name == "slow":
            assert failed.wait(5)
            threading.Event().wait(0.05)
        done.append(name)

    _doing(monkeypatch, do)
    with pytest.raises(EngineError, match="no"):
        apply.apply(_plan(_node("bad"), _node("slow"), _node("after", "slow"), _node("other", "bad")), here.deployment)
    assert done == ["slow"]


def test_ctrl_c_ends_in_interrupted_and_nothing_new_begins(here, monkeypatch):
    done: list[str] = []
    deployment = here.deployment
    _doing(monkeypatch, done.append)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(apply, "wait", interrupted)
    with pytest.raises(Interrupted) as raised:
        apply.apply(_plan(_node("a"), _node("b", "a")), deployment)
    assert "b" not in done
    assert deployment.cancelled.is_set()
    assert raised.value.exit_code == 130


def test_a_step_does_not_begin_once_the_run_is_cancelled(here, monkeypatch):
    done: list[str] = []
    _doing(monkeypatch, done.append)
    deployment = here.deployment
    deployment.cancelled.set()
    with pytest.raises(KesdeployError):
        apply.apply(_plan(_node("a")), deployment)
    assert not done


def test_deletions_come_first(here):
    here.up()
    here.engine.calls.clear()
    gone = Resource("container/old", Secret("x", "user"))
    plan = diff(here.desired, {"pod/pod": next(iter(_seen(here))), gone.address: next(iter(_seen(here)))})
    assert plan.pending[0].verb is Verb.DELETE


def _seen(here: World):
    return observe.observe(here.deployment, here.desired).values()


# --- a whole deployment


def test_a_kes_that_was_started_by_the_engine_just_now_is_waited_for(here):
    here.up()
    here.kes.silent = True
    plan = here.plan()
    assert plan.verb("container/kes-server") is Verb.KEEP
    assert plan.verb("key/minio-backend-default-key") is Verb.CHECK
    threading.Timer(0.2, lambda: setattr(here.kes, "silent", False)).start()
    apply.apply(plan, here.deployment)
    assert here.plan().empty


def test_a_kes_that_runs_and_stays_silent_ends_the_run(here):
    here.up()
    here.kes.silent = True
    with pytest.raises(KesdeployError, match="KES does not answer"):
        here.up()


def test_a_second_run_finds_nothing_to_do(here):
    assert not here.up().empty
    here.engine.calls.clear()
    plan = here.up()
    assert plan.empty, [(c.verb, c.address, c.reason) for c in plan.pending]
    assert here.engine.calls == []


def test_nothing_runs_twice(here, monkeypatch):
    done: list[str] = []
    for kind, do in list(apply._DO.items()):

        def counted(deployment, resource, change, do=do):
            done.append(resource.address)
            do(deployment, resource, change)

        monkeypatch.setitem(apply._DO, kind, counted)
    here.want(minio__buckets=[{"name": "photos"}])
    here.up()
    assert sorted(done) == sorted({r.address for r in here.desired})


def test_minio_is_created_after_the_fingerprint_of_its_key(here):
    fingerprint = here.home.secret("fingerprint-minio-backend-default-key.json")
    seen = []
    called = here._called
    here.engine.on_call = lambda call: (seen.append((call, fingerprint.exists())), called(call))
    here.up()
    assert (("start", "fs-kes-server"), False) in seen
    assert (("start", "fs-minio-server"), True) in seen


def test_a_change_of_kes_configuration_is_a_signal_and_no_restart(here):
    here.up()
    here.engine.calls.clear()
    here.want(kes__cache__any="1m")
    here.up()
    assert here.engine.calls == [("signal", "fs-kes-server", "SIGHUP")]


def test_a_change_of_minio_environment_restarts_minio_behind_the_gate(here):
    here.up()
    here.engine.calls.clear()
    here.want(minio__auto_encryption=False)
    here.up()
    minio = "fs-minio-server"
    # Not asked to end: it would tell clients to come again in a minute.
    assert here.engine.calls == [("signal", "fs-kes-server", "SIGHUP"), ("signal", minio, "SIGKILL"), ("start", minio)]


@pytest.mark.parametrize("moment", ["before the signal", "in the signal"])
def test_a_crash_between_the_file_and_the_signal_still_reloads_on_the_next_run(here, monkeypatch, moment):
    here.up()
    here.want(kes__cache__any="1m")
    if moment == "before the signal":
        with monkeypatch.context() as patch:
            patch.setattr("kesdeploy.containers.reload", _crash)
            with pytest.raises(SystemError):
                here.up()
    else:
        here.engine.fail["signal", "fs-kes-server", "SIGHUP"] = SystemError("killed")
        with pytest.raises(SystemError):
            here.up()
    assert b"1m" in here.home.read("config/kes/kes-config.yaml")
    here.engine.calls.clear()
    monkeypatch.undo()
    here.rewire(monkeypatch)
    plan = here.up()
    assert plan.verb("container/kes-server") is Verb.RELOAD
    assert here.engine.calls == [("signal", "fs-kes-server", "SIGHUP")]
    assert here.plan().empty


def test_a_crash_between_the_generation_and_the_file_costs_one_reload(here, monkeypatch):
    here.up()
    here.want(kes__cache__any="1m")
    monkeypatch.setattr(type(here.home), "write", _crash)
    with pytest.raises(SystemError):
        here.up()
    assert b"1m" not in here.home.read("config/kes/kes-config.yaml")
    monkeypatch.undo()
    here.rewire(monkeypatch)
    here.up()
    assert b"1m" in here.home.read("config/kes/kes-config.yaml")
    assert here.plan().empty


def test_wherever_the_engine_fails_once_the_next_run_ends_in_the_same_place(tmp_path, monkeypatch):
    full = world(tmp_path / "full", monkeypatch, spec_of(minio__buckets=[{"name": "photos"}]))
    full.up()
    calls = list(full.engine.calls)
    for number, call in enumerate(calls):
        here = world(tmp_path / str(number), monkeypatch, full.spec)
        here.engine.fail[call] = EngineError("once")
        with pytest.raises(EngineError, match="once"):
            here.up()
        here.up()
        assert here.plan().empty, call


def test_a_lost_state_is_found_again(here):
    here.up()
    here.home.state.unlink()
    here.up()
    assert here.plan().empty


def test_a_certificate_near_its_end_is_renewed_by_a_signal_over_the_same_key(here):
    here.up()
    key = here.home.read("certs/kes-server/private.key")
    identity = here.home.read("secrets/minio.key")
    here.engine.calls.clear()
    here.later(days=397 - 20)
    here.up()
    assert here.engine.calls == [("signal", "fs-kes-server", "SIGHUP")]
    assert here.home.read("certs/kes-server/private.key") == key
    assert here.home.read("secrets/minio.key") == identity
    assert here.plan().empty


def test_a_container_whose_pod_is_made_again_is_made_again(here):
    here.up()
    here.engine.calls.clear()
    here.want(network__s3_port=9100)
    here.up()
    pod = "minio-kes-fs"
    assert here.engine.calls[:3] == [("remove_pod", pod), ("create_pod", pod), ("create", "fs-kes-server")]
    assert here.plan().empty


def test_every_kind_of_body_has_a_step():
    assert set(get_args(Body)) == set(apply._DO)


def test_titles_are_for_big_steps_only():
    change = Change(Verb.CREATE, "secret/root-password", "", Resource("secret/x", Secret("x", "user")))
    assert apply.title(change) == ""
    assert apply.title(Change(Verb.RESTART, "container/kes-server")) == "restart container kes-server"


def _crash(*_, **__):
    raise SystemError("killed")

"""destroy --delete-remote-keys: only by their names, only our own, and only where others could reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kesdeploy import identities, keystores
from kesdeploy.confirming import confirm_remote_keys
from kesdeploy.errors import DataProtected
from kesdeploy.opening import Wish
from kesdeploy.report import Silent

if TYPE_CHECKING:
    from core_fixtures import World

KEY = "minio-backend-default-key"
MINIO = "fs-minio-server"


@pytest.fixture
def remote(up: World, monkeypatch) -> World:
    """As if others could reach its keystore; its key is its own, and there is another one."""
    monkeypatch.setattr(keystores.KEYSTORES["fs"], "shared", lambda _: True, raising=False)
    mine = next(iter(identities.ours(up.home)))
    up.kes.about = {KEY: {"created_by": mine}, "theirs": {"created_by": "f" * 64}}
    up.kes.keys["theirs"] = b"theirs"
    return up


def test_without_a_word_they_stay_and_are_named(remote, ask):
    assert ask("destroy", "--yes")["data"]["stay"]["keys"] == [KEY]
    assert KEY in remote.kes.keys


def test_named_ones_go_after_minio_and_before_the_rest(remote, kesdeploy):
    events = []
    remote.engine.on_call = lambda call: events.append((call[0], call[-1], KEY in remote.kes.keys))
    done = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY)
    assert set(remote.kes.keys) == {"theirs"}
    assert f"deleted in the keystore, for ever: {KEY}" in done.stdout
    assert "KES removes its file: only your own copy of kes/ would bring it back" in done.stderr
    assert not remote.home.root.exists()
    stopped = next(n for n, event in enumerate(events) if event[:2] == ("stop", MINIO))
    assert events[stopped][2], "the key is there until MinIO stands"
    removed = next(event for event in events if event[0] == "remove_pod")
    assert not removed[2]
    assert "Not removed" not in done.stdout


def test_a_key_of_somebody_else_is_not_deleted(remote, kesdeploy):
    refused = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, "theirs", expect=9)
    assert "'theirs' was not made by this deployment" in refused.stderr
    assert set(remote.kes.keys) == {KEY, "theirs"}
    assert remote.home.root.exists()


def test_an_adopted_key_is_none_of_its_own(remote, kesdeploy):
    remote.kes.about[KEY] = {"created_by": "e" * 64}
    kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, expect=9)
    assert "has none" in kesdeploy("destroy", "--yes", "--delete-remote-keys", expect=2).stderr


def test_a_key_whose_maker_nobody_tells_stays(remote, kesdeploy):
    remote.kes.about = {}
    assert (
        "made by nobody that KES tells" in kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, expect=9).stderr
    )
    assert KEY in remote.kes.keys


def test_a_key_made_under_an_identity_that_was_replaced_is_our_own(remote, kesdeploy):
    identities.replace(remote.home, "operator", remote.now)
    kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY)
    assert KEY not in remote.kes.keys


@pytest.mark.parametrize("flags", [("--yes",), ()])
def test_with_nobody_to_type_them_the_names_have_to_be_given(remote, kesdeploy, flags):
    refused = kesdeploy("destroy", *flags, "--delete-remote-keys", expect=2)
    assert refused.stderr.splitlines()[-1] == f"  try: kesdeploy destroy -n fs --yes --delete-remote-keys {KEY}"
    assert remote.home.root.exists()


def test_names_without_yes_need_the_deployments_name_typed(remote, kesdeploy):
    kesdeploy("destroy", "--delete-remote-keys", KEY, expect=9)
    assert KEY in remote.kes.keys


def test_a_key_that_is_gone_is_no_obstacle(remote, kesdeploy):
    """Killed after it was deleted: the same command goes on."""
    del remote.kes.keys[KEY]
    done = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY)
    assert f"{KEY} is not there any more" in done.stderr
    assert not remote.home.root.exists()


def test_nothing_is_destroyed_while_kes_does_not_answer(remote, kesdeploy):
    remote.kes.silent = True
    refused = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, expect=6)
    assert refused.stderr.splitlines()[-1] == "  try: kesdeploy start -n fs"
    assert remote.home.root.exists()


def test_nothing_is_destroyed_when_the_keystore_does_not_delete(remote, kesdeploy, monkeypatch):
    monkeypatch.setattr("core_fixtures._Door.delete_key", lambda *_: None)
    monkeypatch.setattr("kesdeploy.keyring.deleting.SETTLES", 0)
    refused = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, expect=6)
    assert "is still there" in refused.stderr
    assert remote.home.read_secret(f"fingerprint-{KEY}.json")


def test_keys_of_this_machine_go_anyway(up, kesdeploy):
    refused = kesdeploy("destroy", "--yes", "--delete-remote-keys", KEY, expect=2)
    assert "there are no remote keys" in refused.stderr
    assert up.home.root.exists()


def test_a_name_without_the_flag_is_a_slip(up, kesdeploy):
    assert "kesdeploy destroy -n fs" in kesdeploy("destroy", "fs", "--yes", expect=2).stderr
    assert up.home.root.exists()


class Somebody(Silent):
    """At a terminal, typing one line."""

    interactive = True

    def __init__(self, line: str) -> None:
        self.line = line

    def ask(self, prompt: str) -> str:
        assert "Type the names" in prompt
        return self.line


def test_at_a_terminal_the_names_are_typed(remote):
    def chosen(line: str):
        return confirm_remote_keys(Wish("destroy", "fs"), (), Somebody(line), wanted=True, yes=False)

    assert chosen(KEY) == [KEY]
    with pytest.raises(DataProtected, match="'theirs' is none of them"):
        chosen(f"{KEY} theirs")
    assert set(remote.kes.keys) == {KEY, "theirs"}

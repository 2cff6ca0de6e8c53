"""What may be deleted, what never, and that it is gone when that was said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from key_world import STRANGER
from test_asking import Person
from xl import meta, store, version

from kesdeploy import confirming, services
from kesdeploy.errors import DataProtected, ServiceError
from kesdeploy.keyring import creating, deleting
from kesdeploy.keystores import KEYSTORES
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("key delete", "fs", timeout=1)


@pytest.fixture(autouse=True)
def _key(here):
    creating.create(WISH, Silent(), ["mine"])


def delete(name: str = "mine", report=None) -> dict:
    return dict(deleting.delete(WISH, report or Silent(), name).data)


def refused(here, name: str = "mine") -> DataProtected:
    before = dict(here.kes.keys)
    with pytest.raises(DataProtected) as caught:
        delete(name)
    assert caught.value.exit_code == 9
    assert caught.value.hint
    assert here.kes.keys == before
    return caught.value


def test_what_nothing_needs_goes(here):
    assert delete()["maker"] == "operator"
    assert "mine" not in here.kes.keys


def test_the_default_key_stays(here):
    assert "default key" in refused(here, DEFAULT_KEY).what


def test_a_key_of_buckets_stays_and_they_are_named(here):
    here.store.rules |= {"photos": ("sse-kms", "mine"), "music": ("sse-kms", "mine"), "other": ("sse-s3", None)}
    assert "the buckets music, photos" in refused(here).what


def test_a_key_that_only_the_spec_names_stays(here):
    spec = here.home.spec.read_text()
    here.home.spec.write_text(spec + "minio: {buckets: [{name: later, key: mine}]}\n")
    assert "the bucket later" in refused(here).what


def test_a_key_of_objects_stays_and_they_are_counted(here):
    for name in ("cat", "dog"):
        store(here.home.path("minio"), "photos", name, meta(version("sse-kms", "mine", versioned=True)))
    found = refused(here)
    assert "2 objects" in found.what
    assert found.because == "2 in photos"
    assert "bucket rewrap photos" in found.hint


def test_nobody_can_tell_while_minio_is_silent(here):
    here.store.silent = True
    assert "does not answer" in refused(here).what


def test_nobody_can_count_what_is_on_another_machine(here):
    (here.home.path("minio") / ".minio.sys").rmdir()
    assert "drives are not here" in refused(here).because


@pytest.mark.parametrize("by", [STRANGER, ""])
def test_what_somebody_else_made_in_a_shared_keystore_stays(here, monkeypatch, by):
    here.kes.about["mine"] = {"created_by": by}
    monkeypatch.setattr(KEYSTORES["fs"], "shared", lambda _: True, raising=False)
    assert "not made by this deployment" in refused(here).what


def test_in_a_keystore_of_our_own_everything_is_ours(here):
    here.kes.about["mine"] = {"created_by": STRANGER}
    assert delete()["maker"] == "stranger"


def test_what_minio_made_is_ours_too(here, monkeypatch):
    services.kes(here.spec, here.home, identity="minio").create_key("by-minio")
    monkeypatch.setattr(KEYSTORES["fs"], "shared", lambda _: True, raising=False)
    assert delete("by-minio")["maker"] == "minio"


def test_a_deletion_that_was_not_done_is_noticed(here):
    """CipherTrust says 404 to whom it does not let delete, and KES takes that for done."""
    here.kes.undeleted = {"mine"}
    with pytest.raises(ServiceError, match="still there") as caught:
        delete()
    assert "kesdeploy policy" in caught.value.hint


def test_a_deletion_that_failed_half_way_is_done(here):
    """Azure: deleted, and not purged."""
    here.kes.fail = {"delete": ServiceError("KES does not delete", because="failed to delete key", status=502)}
    warned = []
    report = Person()
    report.warn = warned.append
    delete(report=report)
    assert "not cleanly" in warned[0]


def test_a_deletion_that_failed_is_told(here):
    here.kes.fail = {"delete": ServiceError("KES does not delete", because="failed to delete key", status=500)}
    with pytest.raises(ServiceError, match="does not delete"):
        delete()


def test_a_deletion_that_is_denied(here):
    here.kes.deny = {"delete"}
    here.kes.undeleted = {"mine"}
    with pytest.raises(ServiceError) as caught:
        delete()
    assert caught.value.status == 403


def test_a_key_that_is_not_there(here):
    with pytest.raises(ServiceError) as caught:
        delete("nobody")
    assert caught.value.status == 404
    assert "kesdeploy key list" in caught.value.hint


def test_what_guarded_it_goes_with_it(here):
    """Or MinIO would not be started any more."""
    guard = here.home.secret("fingerprint-mine.json")
    guard.write_text(json.dumps({"ciphertext": "", "sha256": ""}))
    delete()
    assert not guard.exists()


def test_a_deletion_that_was_killed_is_finished(here):
    guard = here.home.secret("fingerprint-mine.json")
    guard.write_text(json.dumps({"ciphertext": "", "sha256": ""}))
    del here.kes.keys["mine"]
    delete()
    assert not guard.exists()


# --- typed


def ask(here, person: Person, *, yes: bool = False) -> Person:
    confirming.confirm_key(WISH, "mine", person, yes=yes)
    return person


def test_the_name_is_typed(here):
    notes = ask(here, Person(interactive=True, answers=["mine"])).notes
    assert any("KES removes its file" in note for note in notes)
    with pytest.raises(DataProtected, match="nothing was deleted"):
        ask(here, Person(interactive=True, answers=["yes"]))


def test_nobody_to_ask_needs_yes(here):
    with pytest.raises(DataProtected, match="--yes"):
        ask(here, Person())
    ask(here, Person(), yes=True)


@pytest.mark.parametrize("kind", sorted(KEYSTORES))
def test_each_keystore_says_what_deleting_means(here, kind):
    doomed = deleting.doomed(WISH, Silent(), "mine")
    told = replace(doomed, meaning=KEYSTORES[kind].habits.deleting).meaning
    assert len(told) > 20
    assert "—" not in told


def test_what_may_not_be_deleted_is_not_asked_about(here):
    with pytest.raises(DataProtected, match="default key"):
        confirming.confirm_key(WISH, DEFAULT_KEY, Person(interactive=True, answers=[DEFAULT_KEY]), yes=True)

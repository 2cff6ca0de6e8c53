"""Lists and single keys: who made them, what needs them, and where a keystore shows less or more than keys."""

from __future__ import annotations

import pytest
from key_world import STRANGER
from xl import meta, store, version

from kesdeploy import identities, pki
from kesdeploy.errors import DataProtected, ServiceError, Unhealthy, UsageError
from kesdeploy.keyring import creating, looking, makers
from kesdeploy.keystores import KEYSTORES
from kesdeploy.keystores.words import Habits
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("key list", "fs", timeout=1)


def listed(**options) -> dict:
    return dict(looking.listed(WISH, Silent(), **options).data)


def names(**options) -> list[str]:
    return [key["name"] for key in listed(**options)["keys"]]


def info(name: str = DEFAULT_KEY) -> dict:
    return dict(looking.info(WISH, Silent(), name).data)


def test_keys_and_what_they_are_for(here):
    creating.create(WISH, Silent(), ["a", "ab"])
    here.store.rules |= {"photos": ("sse-kms", "ab"), "music": ("sse-s3", None), "free": None}
    assert names() == ["a", "ab", DEFAULT_KEY]
    keys = {key["name"]: (key["default"], key["buckets"]) for key in listed()["keys"]}
    assert keys == {"a": (False, []), "ab": (False, ["photos"]), DEFAULT_KEY: (True, ["music"])}
    assert names(prefix="a*") == ["a", "ab"]


def test_the_spec_stands_in_for_a_minio_that_is_silent(here):
    here.home.spec.write_text(here.home.spec.read_text() + "minio: {buckets: [{name: photos}]}\n")
    here.store.silent = True
    assert listed()["keys"][0]["buckets"] == ["photos"]


def test_a_stopped_deployment_is_called_so(here):
    """Not what a connection that nobody takes looks like, as long as that is the reason."""
    here.kes.silent = True
    with pytest.raises(ServiceError) as answered:
        listed()
    assert answered.value.because == "connection refused"
    for name in ("fs-kes-server", "fs-minio-server"):
        here.engine.dies(name, 0)
    with pytest.raises(Unhealthy, match="fs is stopped") as rests:
        listed()
    assert rests.value.hint == "kesdeploy start -n fs"


def test_what_is_no_key_is_counted_apart(here):
    here.kes.keys |= {"lost+found": b"", "prod/db/password": b"", "folder/": b"", ".hidden": b""}
    found = listed()
    assert ([key["name"] for key in found["keys"]], found["others"]) == ([DEFAULT_KEY], 4)


def test_long_tells_who_made_each(here):
    here.kes.keys |= {"theirs": b"x", "secret-of-theirs": b"x"}
    here.kes.about["theirs"] = {"created_by": STRANGER}
    made = {key["name"]: key["maker"] for key in listed(long=True)["keys"]}
    assert made == {DEFAULT_KEY: "operator", "theirs": "stranger", "secret-of-theirs": makers.UNTOLD}


def test_what_kes_cannot_read_is_no_end_of_the_list(here):
    here.kes.fail = {"describe": ServiceError("no", because="failed to read key", status=502)}
    assert [key["error"] for key in listed(long=True)["keys"]] == ["failed to read key"]


def test_a_keystore_that_cannot_be_listed_is_not(here, monkeypatch):
    """Fortanix: KES would never end."""
    monkeypatch.setattr(KEYSTORES["fs"], "habits", KEYSTORES["fortanix"].habits, raising=False)
    here.kes.fail = {"list": ServiceError("asked")}
    with pytest.raises(UsageError, match="cannot be listed") as caught:
        listed()
    assert "for ever" in caught.value.because
    assert "key info" in caught.value.hint


def test_a_keystore_that_shows_only_some(here, monkeypatch):
    warned = []
    report = Silent()
    report.warn = warned.append
    monkeypatch.setattr(KEYSTORES["fs"], "habits", Habits("x", most=2), raising=False)
    assert looking.listed(WISH, report).data["complete"] is True
    creating.create(WISH, Silent(), ["a"])
    assert looking.listed(WISH, report).data["complete"] is False
    assert "2 names at most" in warned[0]
    assert KEYSTORES["entrust"].habits.most == 256


# --- one


def test_all_that_is_known_of_a_key(here):
    store(
        here.home.path("minio"), "photos", "cat", meta(version("sse-kms", DEFAULT_KEY), version("sse-s3", DEFAULT_KEY))
    )
    here.store.rules |= {"photos": ("sse-kms", DEFAULT_KEY)}
    found = info()
    assert found["maker"] == "operator"
    assert (found["default"], found["fingerprint"], found["minio"]) == (True, True, "ok")
    assert (found["buckets"], found["objects"], found["objects_in"]) == (["photos"], 2, {"photos": 2})


def test_what_minio_says_against_it(here):
    here.store.wrong = "key with given key ID does not exist"
    assert info()["minio"] == "key with given key ID does not exist"


def test_minio_is_silent(here):
    here.store.silent = True
    found = info()
    assert (found["minio"], found["buckets"]) == (None, None)


def test_a_key_that_may_only_be_used(here):
    here.kes.deny = {"describe"}
    assert info()["maker"] == makers.UNTOLD


def test_a_key_that_is_not_there(here):
    with pytest.raises(ServiceError) as caught:
        info("nobody")
    assert caught.value.status == 404
    del here.kes.keys[DEFAULT_KEY]
    with pytest.raises(DataProtected, match="gone"):
        info()


def test_makers_by_name(here):
    def made_by(identity: str) -> str:
        here.kes.about[DEFAULT_KEY] = {"created_by": identity}
        return info()["maker"]

    before = pki.identity(here.home.read("secrets/operator.crt"))
    assert made_by(pki.identity(here.home.read("secrets/minio.crt"))) == "minio"
    assert made_by(before) == "operator"
    assert made_by(STRANGER) == "stranger"
    assert made_by("") == makers.UNTOLD
    identities.replace(here.home, "operator", here.now)
    assert made_by(before) == "minio or operator, as they were before"
    policy = f"kes: {{policies: {{backup: {{allow: [/v1/status], identities: ['{STRANGER}']}}}}}}\n"
    here.home.spec.write_text(here.home.spec.read_text() + policy)
    assert made_by(STRANGER) == "policy backup"

"""What is said of buckets is made so in MinIO and stands in the spec; nothing else is changed along with it."""

from __future__ import annotations

import pytest
import yaml
from key_world import STRANGER
from xl import meta, store, version

from kesdeploy import deploy
from kesdeploy.buckets import rules, setting
from kesdeploy.errors import DataProtected, ServiceError, UsageError
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.keystores import KEYSTORES
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("bucket create", "fs", timeout=1)


def create(bucket: str = "photos", **options) -> dict:
    return dict(setting.create(WISH, Silent(), bucket, **options).data)


def encrypt(bucket: str = "photos", **options) -> dict:
    return dict(setting.encrypt(WISH, Silent(), bucket, **options).data)


def spec(here) -> list[dict]:
    return list(yaml.safe_load(here.home.spec.read_text()).get("minio", {}).get("buckets", []))


def waiting() -> list[str]:
    changes = deploy.plan(Wish("plan", "fs"), Silent()).data["changes"]
    return [change["address"] for change in changes]


def test_a_bucket_with_the_default_key(here):
    assert create() == {
        "deployment": "fs",
        "bucket": "photos",
        "created": True,
        "mode": "sse-kms",
        "key": DEFAULT_KEY,
    }
    assert here.store.rules["photos"] == ("sse-kms", DEFAULT_KEY)
    assert spec(here) == [{"name": "photos"}]
    assert waiting() == []


def test_a_bucket_with_a_key_of_its_own(here):
    create(key="own")
    assert here.store.rules["photos"] == ("sse-kms", "own")
    assert "own" in here.kes.keys
    assert here.home.secret("fingerprint-own.json").exists(), "the gate looks for this very key from now on"
    assert "/v1/key/create/own" in here.home.path("config/kes/kes-config.yaml").read_text(), "MinIO may not make it"
    assert waiting() == []


def test_sse_s3(here):
    assert create(mode="sse-s3")["key"] == DEFAULT_KEY
    assert spec(here) == [{"name": "photos", "mode": "sse-s3"}]
    with pytest.raises(UsageError, match="no key of its own"):
        create("music", mode="sse-s3", key="own")


def test_what_is_there_is_not_made_again(here):
    create(key="own")
    assert create(key="own")["created"] is False
    with pytest.raises(UsageError, match="another rule") as caught:
        create()
    assert caught.value.because == "sse-kms with own"


def test_a_bucket_that_somebody_made_is_taken_over(here):
    here.store.rules["photos"] = None
    assert create()["created"] is False
    assert spec(here) == [{"name": "photos"}]


def test_the_others_stay_in_the_spec(here):
    for name in ("one", "two", "three"):
        create(name)
    encrypt("two", key="own")
    assert spec(here) == [{"name": "one"}, {"name": "two", "key": "own"}, {"name": "three"}]


def test_another_key_for_new_objects(here):
    """Objects that are there need the old one, and that is no reason against a new one."""
    create(key="own")
    store(here.home.path("minio"), "photos", "cat", meta(version("sse-kms", "own")))
    found = encrypt(key="new")
    assert (found["before"], found["key"]) == ({"mode": "sse-kms", "key": "own"}, "new")
    assert here.store.rules["photos"] == ("sse-kms", "new")
    assert waiting() == []


def test_back_to_the_default_key(here):
    create(key="own")
    encrypt()
    assert spec(here) == [{"name": "photos"}]


def test_no_such_bucket(here):
    with pytest.raises(UsageError, match="there is no bucket") as caught:
        encrypt()
    assert "kesdeploy bucket list -n fs" in caught.value.hint


def test_no_rule_any_more(here):
    create(key="own")
    found = setting.clear(WISH, Silent(), "photos").data
    assert (found["mode"], found["key"]) == ("auto", DEFAULT_KEY)
    assert here.store.rules["photos"] is None
    assert spec(here) == []
    assert waiting() == []
    assert here.home.secret("fingerprint-own.json").exists(), "objects may need it"


@pytest.mark.parametrize("bucket", [PROOF_BUCKET, "", "A", "a", "a..b", "x" * 64, "a/b", "bücket", "-ab", "192 1"])
def test_what_is_no_bucket_for_a_user(here, bucket):
    for act in (create, encrypt, lambda b: setting.clear(WISH, Silent(), b)):
        with pytest.raises(UsageError) as caught:
            act(bucket)
        assert caught.value.because


@pytest.mark.parametrize("key", ["a/b", "envy", "-", "x" * 81])
def test_what_is_no_key(here, key):
    with pytest.raises(UsageError):
        create(key=key)
    assert "photos" not in here.store.rules
    assert spec(here) == []


# --- what is refused leaves everything as it was


def unchanged(here, error, **options):
    before = here.home.spec.read_bytes(), dict(here.store.rules)
    with pytest.raises(error) as caught:
        create(**options)
    assert (here.home.spec.read_bytes(), dict(here.store.rules)) == before
    return caught.value


def test_a_lost_key_is_not_made_anew(here):
    store(here.home.path("minio"), "old", "cat", meta(version("sse-kms", "lost")))
    config = here.home.path("config/kes/kes-config.yaml")
    before = config.read_text()
    unchanged(here, DataProtected, key="lost")
    assert config.read_text() == before


def test_what_the_keystore_has_against_a_key_is_heard_first(here, monkeypatch):
    def preflight(work):
        raise DataProtected(f"{work.spec.key_names[-1][1]} can still be recovered")

    monkeypatch.setattr(KEYSTORES["fs"], "preflight", preflight, raising=False)
    assert "again can" in unchanged(here, DataProtected, key="again").what


def test_a_key_of_somebody_else_needs_to_be_adopted(here, monkeypatch):
    here.kes.keys["theirs"] = b"x"
    here.kes.about["theirs"] = {"created_by": STRANGER}
    here.home.spec.write_text(f"key_name: {DEFAULT_KEY}\n{here.home.spec.read_text()}")
    monkeypatch.setattr(KEYSTORES["fs"], "shared", lambda _: True, raising=False)
    assert "--adopt-key" in unchanged(here, DataProtected, key="theirs").hint
    assert waiting() == [], "what was begun is undone"
    adopting = Wish("bucket create", "fs", timeout=1, adopt_key=True)
    assert setting.create(adopting, Silent(), "photos", key="theirs").data["key"] == "theirs"


def test_minio_is_silent(here):
    here.store.silent = True
    assert "kesdeploy start" in unchanged(here, ServiceError).hint


def test_other_changes_are_left(here):
    """Somebody edited the spec and has not said `up` yet: that is theirs to say."""
    here.home.spec.write_text(here.home.spec.read_text() + "network: {extra_names: [s3.example.org]}\n")
    before = waiting()
    assert before
    create()
    assert waiting() == before
    assert spec(here) == [{"name": "photos"}]


def test_a_change_that_has_to_come_first(here):
    """A key of its own changes KES's configuration, which would bring along what was edited there."""
    here.home.spec.write_text(here.home.spec.read_text() + "kes: {cache: {any: 1m}}\n")
    error = unchanged(here, UsageError, key="own")
    assert "file/kes-config" in error.because
    assert "own" not in here.kes.keys
    assert create()["created"], "without a key, nothing of KES changes"


# --- rules


def test_rules_and_what_the_spec_says(here):
    create("photos", key="own")
    here.store.rules |= {"photos": ("sse-kms", DEFAULT_KEY), "theirs": ("sse-s3", None), "free": None}
    rows = {row["bucket"]: row for row in rules.listed(WISH, Silent()).data["buckets"]}
    told = {name: (row["mode"], row["key"], row["spec"]) for name, row in rows.items()}
    assert told == {
        PROOF_BUCKET: ("auto", DEFAULT_KEY, ""),
        "photos": ("sse-kms", DEFAULT_KEY, "the spec says sse-kms with own"),
        "theirs": ("sse-s3", DEFAULT_KEY, "not in the spec"),
        "free": ("auto", DEFAULT_KEY, ""),
    }
    assert rows[PROOF_BUCKET]["ours"]
    assert waiting() == ["bucket/photos"]


def test_without_auto_encryption_nothing_encrypts(here):
    here.home.spec.write_text(here.home.spec.read_text() + "minio: {auto_encryption: false}\n")
    here.store.rules["free"] = None
    row = rules.shown(WISH, Silent(), "free").data
    assert (row["mode"], row["key"], row["key_error"]) == ("", "", "")


def test_a_key_that_minio_cannot_use(here):
    here.store.rules["photos"] = ("sse-kms", "gone")
    here.store.wrong = "key with given key ID does not exist"
    assert rules.shown(WISH, Silent(), "photos").data["key_error"] == here.store.wrong

"""Every object is looked at, on the drives or by HEAD, and none that is not as expected is overlooked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xl import deletion, meta, store, version

from kesdeploy.buckets import checking
from kesdeploy.errors import UsageError
from kesdeploy.home import PROOF_BUCKET
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

if TYPE_CHECKING:
    from kesdeploy.result import Result

WISH = Wish("bucket check", "fs", timeout=1)


@pytest.fixture(autouse=True)
def _bucket(here):
    here.store.rules["photos"] = ("sse-kms", "own")


@pytest.fixture
def put(here):
    here.store.door(here.spec, here.home)
    return here.store.here.put


def check(*buckets: str, **options) -> Result:
    return checking.check(WISH, Silent(), buckets, **options)


def only(**options) -> dict:
    result = check("photos", **options)
    (row,) = result.data["buckets"]
    assert result.ok is not bool(row["wrong"])
    assert result.exit_code == (7 if row["wrong"] else 0)
    return row


def test_all_as_expected(put):
    for name in ("a", "b/c", "folder/"):
        put("photos", name, "sse-kms", "own")
    row = only()
    assert (row["objects"], row["expected"], row["asked"]) == (3, ["own"], 0)
    assert row["keys"] == [{"sse": "sse-kms", "key": "own", "objects": 3}]


def test_an_empty_bucket(put):
    assert only()["objects"] == 0


WRONG = [
    ("sse-kms", "old", "encrypted with old"),
    ("sse-s3", DEFAULT_KEY, f"encrypted with {DEFAULT_KEY}"),
    ("sse-c", "", "encrypted with a key that only a client has"),
    ("", "", "not encrypted"),
]


@pytest.mark.parametrize(("sse", "key", "why"), WRONG)
@pytest.mark.parametrize("head", [False, True])
def test_what_is_not(put, sse, key, why, head):
    put("photos", "good", "sse-kms", "own")
    put("photos", "bad", sse, key)
    row = only(head=head)
    assert row["wrong"] == 1
    assert row["exceptions"] == [{"object": "bad", "version": "", "sse": sse, "key": key, "why": why}]
    assert row["asked"] == (2 if head else 0)


def test_several_keys_may_be_expected(put):
    put("photos", "a", "sse-kms", "own")
    put("photos", "b", "sse-kms", "old")
    assert only(keys=["own", "old"])["wrong"] == 0
    assert only(keys=["old"])["wrong"] == 1


def test_each_version_counts(here, put):
    """The old one of an object, which nobody sees, may be the one that needs a key."""
    put("photos", "a", "sse-kms", "own")
    both = version("sse-kms", "own", versioned=True), version("sse-kms", "old", versioned=True)
    store(here.home.path("minio"), "photos", "a", meta(both[0], deletion(), both[1]))
    ids = [v.id for v in checking.drives.versions(here.spec, here.home, "photos", "a")]
    here.store.here.found = {("photos", "a", identifier): ("sse-kms", "") for identifier in ids}
    row = only()
    assert (row["objects"], row["wrong"]) == (2, 1)
    assert row["exceptions"][0]["version"] == ids[1]


def test_drives_elsewhere_do_not_tell_the_key_of_sse_s3(here, put):
    here.store.here.away = True
    put("photos", "a", "sse-kms", "own")
    put("photos", "b", "sse-s3", DEFAULT_KEY)
    row = only(keys=["own", DEFAULT_KEY])
    assert (row["asked"], row["wrong"]) == (2, 1)
    assert "is not known" in row["exceptions"][0]["why"]


def test_a_file_that_cannot_be_understood_is_asked_for(here, put):
    put("photos", "a", "sse-kms", "own")
    store(here.home.path("minio"), "photos", "a", b"XL2 of another time")
    row = only()
    assert (row["asked"], row["wrong"]) == (1, 0)


def test_what_goes_meanwhile_is_no_exception(here, put):
    here.store.here.away = True
    put("photos", "a", "sse-kms", "own")
    here.store.head = lambda *_: (_ for _ in ()).throw(checking.ServiceError("gone", status=404))
    assert only()["objects"] == 0


def test_a_prefix(put):
    put("photos", "2025/a", "sse-kms", "old")
    put("photos", "2026/a", "sse-kms", "own")
    assert only(prefix="2026/")["wrong"] == 0


def test_all_buckets_but_the_proofs(here, put):
    here.store.rules |= {"free": None, "music": ("sse-s3", None)}
    put("free", "a", "sse-kms", DEFAULT_KEY)
    put(PROOF_BUCKET, "left", "", "")
    found = check().data["buckets"]
    assert [row["bucket"] for row in found] == ["free", "music", "photos"]
    assert [row["expected"] for row in found] == [[DEFAULT_KEY], [DEFAULT_KEY], ["own"]]


def test_many_are_counted_and_some_are_named(put):
    for number in range(checking.SHOWN + 50):
        put("photos", f"o{number}", "", "")
    row = only()
    assert (row["wrong"], len(row["exceptions"])) == (checking.SHOWN + 50, checking.SHOWN)


def test_the_next_command(put):
    put("photos", "a", "sse-kms", "old")
    (problem,) = check("photos").problems
    assert problem.hint == "kesdeploy bucket rewrap photos -n fs"
    put("photos", "a", "", "")
    (problem,) = check("photos").problems
    assert "mc cp --enc-kms this/photos=own" in problem.hint


def test_no_such_bucket(here):
    with pytest.raises(UsageError, match="no bucket 'nowhere'"):
        check("nowhere")
    with pytest.raises(UsageError):
        check("../x")

"""Another key for the objects of a bucket: the rule first, no trust in what a job says, and no job left behind."""

from __future__ import annotations

import pytest
import yaml
from key_world import key_world

from kesdeploy.buckets import rewrapping
from kesdeploy.clients.batch import Report
from kesdeploy.errors import DataProtected, ImageError, Interrupted, ServiceError, UsageError
from kesdeploy.opening import Wish
from kesdeploy.report import Silent
from kesdeploy.spec import DEFAULT_KEY

WISH = Wish("bucket rewrap", "fs", timeout=1)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(rewrapping, "INTERVAL", 0)
    monkeypatch.setattr(rewrapping, "BEGINS", 0.2)


@pytest.fixture
def put(here):
    here.store.door(here.spec, here.home)
    here.store.rules["photos"] = ("sse-kms", DEFAULT_KEY)
    for name in ("a", "b"):
        here.store.here.put("photos", name, "sse-kms", DEFAULT_KEY)
    return here.store.here.put


class Told(Silent):
    def __init__(self) -> None:
        self.notes, self.warnings = [], []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def rewrap(key: str = "new", report=None, **options):
    return rewrapping.rewrap(WISH, report or Told(), "photos", key=key, **{"create_key": True, **options})


def test_a_key_that_is_not_there_is_not_made_unasked(here, put):
    rule, spec = here.store.rules["photos"], here.home.spec.read_text()
    with pytest.raises(UsageError, match="there is no key 'phtos'") as caught:
        rewrap("phtos", create_key=False)
    assert "kesdeploy bucket rewrap photos phtos --create-key -n fs" in caught.value.hint
    assert (here.store.rules["photos"], here.home.spec.read_text()) == (rule, spec)
    assert "phtos" not in here.kes.keys
    assert rewrap("new").data["key_created"] is True
    assert rewrap("new", create_key=False).data["key_created"] is False


def test_all_get_the_key_and_the_rule_names_it(here, put):
    result = rewrap()
    assert result.ok
    assert {k: result.data[k] for k in ("key", "objects", "rewrapped", "left", "before")} == {
        "key": "new",
        "objects": 2,
        "rewrapped": 2,
        "left": 0,
        "before": [DEFAULT_KEY],
    }
    assert here.store.rules["photos"] == ("sse-kms", "new")
    assert yaml.safe_load(here.home.spec.read_text())["minio"]["buckets"] == [{"name": "photos", "key": "new"}]
    assert here.store.jobs == {}, "a job that stays would begin again after a restart of MinIO"


@pytest.mark.parametrize("to", ["", "new", "lost"])
def test_a_lost_key_of_an_object_is_named_before_anything_changes(here, put, to):
    rewrap("lost")
    put("photos", "c", "sse-kms", "lost")
    rewrap("new", prefix="nothing-there")
    del here.kes.keys["lost"]
    rule, spec = here.store.rules["photos"], here.home.spec.read_text()
    with pytest.raises(DataProtected, match="'lost' that encrypted the data here is gone") as caught:
        rewrap(to)
    assert "put kes/lost back" in caught.value.hint
    assert (here.store.rules["photos"], here.home.spec.read_text()) == (rule, spec)


def test_the_rule_is_there_before_the_job(here, put, monkeypatch):
    """Or what is written meanwhile would have the old key."""
    rotate = here.store.here.rotate
    seen = []
    here.store.here.rotate = lambda *args: (seen.append(here.store.rules["photos"]), rotate(*args))
    rewrap()
    assert seen == [("sse-kms", "new")]


def test_nothing_to_do_begins_no_job(here, put):
    rewrap()
    assert here.store.begun == 1
    assert rewrap().data["rewrapped"] == 0
    assert rewrap("").data["key"] == "new"
    assert here.store.begun == 1


def test_back_to_the_default_key(here, put):
    rewrap()
    rewrap(DEFAULT_KEY)
    assert yaml.safe_load(here.home.spec.read_text())["minio"]["buckets"] == [{"name": "photos"}]


def test_what_was_written_meanwhile_has_another_turn(here, put):
    """An object that its writer encrypted with the old key by name."""
    rotate, late = here.store.here.rotate, []

    def rotated(*args):
        rotate(*args)
        if not late:
            late.append(put("photos", "late", "sse-kms", DEFAULT_KEY))

    here.store.here.rotate = rotated
    result = rewrap()
    assert (result.ok, here.store.begun) == (True, 2)


def test_what_a_job_never_changes_is_not_called_done(here, put):
    here.store.stuck = {"b"}
    result = rewrap()
    assert (result.ok, result.exit_code, result.data["left"], result.data["rewrapped"]) == (False, 7, 1, 1)
    assert here.store.begun == rewrapping.ROUNDS
    assert here.store.jobs == {}


PASSED = [("sse-s3", DEFAULT_KEY, "SSE-S3"), ("sse-c", "", "client"), ("", "", "not encrypted")]


@pytest.mark.parametrize(("sse", "key", "word"), PASSED)
def test_what_no_job_can_change_is_named(here, put, sse, key, word):
    put("photos", "odd", sse, key)
    told = Told()
    result = rewrap(report=told)
    assert result.ok
    assert result.data["passed_over"][0]["objects"] == 1
    assert word in told.warnings[0]
    assert any("mc cp --enc-kms" in note for note in told.notes)


def test_sse_s3_is_under_the_default_key_already(here, put):
    put("photos", "odd", "sse-s3", DEFAULT_KEY)
    put("photos", "a", "sse-kms", "old")
    told = Told()
    assert rewrap(DEFAULT_KEY, report=told).data["passed_over"] == []
    assert told.warnings == []


def test_progress_is_told(here, put):
    here.store.reports = [None, Report(False, 1, 0), Report(False, 1, 0), Report(False, 2, 0), Report(True, 2, 0)]
    told = Told()
    rewrap(report=told)
    assert [note for note in told.notes if "objects" in note] == ["1 of about 2 objects", "2 of about 2 objects"]


def test_a_job_that_never_begins(here, put):
    """MinIO on one CPU: its log alone says so."""
    here.store.reports = [None] * 1_000_000
    here.engine.says("fs-minio-server", "Error: n must be > 0 (*errors.errorString)")
    with pytest.raises(ServiceError, match="did not begin") as caught:
        rewrap()
    assert "n must be > 0" in caught.value.because
    assert here.store.jobs == {}


def test_ctrl_c_stops_the_job(here, put, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("key_world.Jobs.report", interrupted)
    with pytest.raises(Interrupted) as caught:
        rewrap()
    assert caught.value.exit_code == 130
    assert "goes on" in caught.value.hint
    assert here.store.jobs == {}


def test_ctrl_c_does_not_stop_one_that_gives_versions_another_key(here, put, monkeypatch):
    """MinIO dates each version by its change: stopped in between, the older one would stay the latest."""

    def interrupted(*_):
        raise KeyboardInterrupt

    here.store.versioned = True
    monkeypatch.setattr("key_world.Jobs.report", interrupted)
    with pytest.raises(Interrupted) as caught:
        rewrap()
    assert "by itself" in caught.value.hint
    assert len(here.store.jobs) == 1


def test_versions_wait_for_a_minio_that_keeps_their_order(here, put):
    """One that an earlier release started has several workers."""
    rewrap()
    here.home.write("config/minio/minio", here.home.read("config/minio/minio").replace(b'WORKERS="1"', b'WORKERS="4"'))
    here.store.begun = 0
    rewrap("other")
    here.store.versioned = True
    with pytest.raises(UsageError, match="have to be made first") as caught:
        rewrap("third")
    assert caught.value.hint == "kesdeploy up -n fs"


def test_which_key_has_to_be_said_for_sse_s3(here, put):
    here.store.rules["photos"] = ("sse-s3", None)
    with pytest.raises(UsageError, match="which key"):
        rewrap("")
    rewrap("new")
    assert here.store.rules["photos"] == ("sse-kms", "new")


def test_a_bucket_without_a_rule(here, put):
    here.store.rules["photos"] = None
    assert rewrap("").data["key"] == DEFAULT_KEY
    assert here.store.rules["photos"] == ("sse-kms", DEFAULT_KEY)


def test_the_sandbox_has_no_jobs(tmp_path, monkeypatch):
    made = key_world(tmp_path / "sandbox", monkeypatch, images="sandbox")
    made.store.rules["photos"] = ("sse-kms", DEFAULT_KEY)
    with pytest.raises(ImageError, match="no batch jobs") as caught:
        rewrap()
    assert caught.value.exit_code == 4
    assert made.store.rules["photos"] == ("sse-kms", DEFAULT_KEY), "nor is anything changed"

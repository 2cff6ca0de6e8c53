"""Pushing to a registry of one's own: names, what is left behind, and what the others are told."""

from __future__ import annotations

import pytest
from memory_engine import MemoryEngine

from kesdeploy import image_mirror, image_store
from kesdeploy.catalogue import catalogue
from kesdeploy.engines import Image
from kesdeploy.errors import ImageError, UsageError
from kesdeploy.report import Silent

KES, MINIO = (catalogue()[name].sources[0].reference for name in ("kes", "minio"))
DIGEST = f"sha256:{4:064}"


class Pushing(MemoryEngine):
    def tag(self, reference, new):
        self.known[new] = Image(reference, (new,), "", 1, "amd64", {})

    def push(self, reference, *, stall, progress):
        self._did("push", reference)
        return DIGEST


@pytest.fixture
def store(monkeypatch, kesdeploy_home) -> Pushing:
    made = Pushing()
    monkeypatch.setattr(image_store, "open_engine", lambda *_: made)
    made.known |= {r: Image(f"id-{r}", (r,), "", 1, "amd64", {}) for r in (KES, MINIO)}
    return made


def test_each_goes_under_its_own_name_and_leaves_none_here(store):
    rows = image_mirror.mirror("auto", "", "r.example:5000/team/", (), Silent()).data["images"]
    release = catalogue()["kes"].version
    assert rows[0] == {
        "component": "kes",
        "from": KES,
        "to": f"r.example:5000/team/kes:{release}",
        "digest": DIGEST,
        "entrypoint": [],
    }
    assert [row["component"] for row in rows] == ["kes", "minio"]
    assert set(store.known) == {KES, MINIO}


def test_a_name_that_was_here_stays_what_it_was(store):
    new = f"r.example/kes:{catalogue()['kes'].version}"
    store.known[new] = Image("before", (new,), "", 1, "amd64", {})
    image_mirror.mirror("auto", "", "r.example", ["kes"], Silent())
    assert store.known[new].id == "before"


def test_a_refusal_says_what_it_means_and_leaves_nothing(store):
    new = f"r.example/kes:{catalogue()['kes'].version}"
    store.fail["push", new] = ImageError(f"Image {new} cannot be pushed", because="unauthorized")
    with pytest.raises(ImageError) as error:
        image_mirror.mirror("auto", "", "r.example", (), Silent())
    assert "podman login r.example" in error.value.because
    assert set(store.known) == {KES, MINIO}


def test_what_is_named_must_be_here(store):
    with pytest.raises(ImageError) as error:
        image_mirror.mirror("auto", "", "r.example", ["mc"], Silent())
    assert (error.value.what, error.value.hint) == ("not here: mc", "kesdeploy images pull mc")


@pytest.mark.parametrize("registry", ["https://r.example", "", "UPPER CASE"])
def test_what_is_no_registry_is_a_usage_error(store, registry):
    with pytest.raises(UsageError):
        image_mirror.mirror("auto", "", registry, (), Silent())

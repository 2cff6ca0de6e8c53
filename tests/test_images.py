"""The choice of images. The engine here only remembers: what is tested is the choice, not the engine."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from kesdeploy.catalogue import Source, catalogue, digest_of
from kesdeploy.engines import EngineInfo, Image, Transfer
from kesdeploy.errors import ImageError
from kesdeploy.images import choose
from kesdeploy.references import by_digest, repository
from kesdeploy.report import Silent

KES = catalogue()["kes"].sources[0].reference
MINIO = catalogue()["minio"].sources[0].reference
UNAUTHORIZED = "unauthorized: access to the requested resource is not authorized"


class Listening(Silent):
    def __init__(self):
        self.warnings, self.notes = [], []

    def warn(self, text):
        self.warnings.append(text)

    def note(self, text):
        self.notes.append(text)


class Store:
    """A local store, and registries: `remote` maps references to what a pull does (a callable)."""

    def __init__(self, *local, remote=None, digest="sha256:00"):
        self.local = {r: self._image(r, digest) for r in local}
        self.remote = remote or {}
        self.pulled = []
        self.lock = threading.Lock()

    @staticmethod
    def _image(reference, digest="sha256:00"):
        return Image(f"id-{reference}", (reference,), digest, 1, "amd64", {})

    def info(self):
        return EngineInfo("podman", "4", "unix:", rootless=False, remote=False, reason="")

    def image(self, reference):
        return self.local.get(reference)

    def pull(self, reference, *, stall, progress):
        """What is asked for by digest is in `remote` by its tag."""
        with self.lock:
            self.pulled.append(reference)
        progress(Transfer(f"Trying to pull {reference}..."))
        name, _, digest = reference.partition("@")
        tag = next((r for r in self.remote if digest and repository(r) == name), reference)
        self.remote.get(tag, refuse)(progress, stall)
        self.local[reference] = replace(self._image(reference, digest or "sha256:00"), digests=(reference,))
        return self.local[reference]

    def import_image(self, root, reference, *, changes=()):
        assert root.stat().st_size > 1 << 20
        self.local[reference] = self._image(reference)
        return self.local[reference]

    def tag(self, reference, new):
        self.local[new] = next(image for name, image in self.local.items() if reference in (name, image.id))


def asked(reference):
    """How the catalogue asks for one of its own: the digest says what it is."""
    name = next(name for name, known in catalogue().items() if reference in {s.reference for s in known.sources})
    return by_digest(reference, digest_of(name, Source(reference)))


def refuse(progress, stall):
    raise ImageError("It cannot be pulled", because=UNAUTHORIZED)


def give(progress, stall):
    progress(Transfer("Getting image source signatures"))


def say_nothing(progress, stall):
    time.sleep(min(stall, 30))
    raise ImageError("It cannot be pulled", because=f"no answer for {stall:g} s")


def pick(store, mode, *, pull="missing", overrides=None, components=("kes", "minio"), report=None):
    return choose(
        store, components=components, mode=mode, pull=pull, overrides=overrides or {}, report=report or Silent()
    )


def test_what_is_here_is_not_pulled():
    store = Store(KES, MINIO)
    chosen = pick(store, "release")
    assert store.pulled == []
    assert chosen["kes"].reference == KES
    assert chosen["kes"].entrypoint == ("/kes",)
    assert chosen["minio"].version == "RELEASE.2025-04-22T22-12-26Z"
    assert not chosen["minio"].sandbox


def test_sources_are_tried_in_order():
    second = catalogue()["kes"].sources[1].reference
    store = Store(MINIO, remote={second: give})
    assert pick(store, "release")["kes"].reference == second
    assert store.pulled == [asked(KES), asked(second)]


def test_release_ends_with_the_real_situation_and_the_choices():
    with pytest.raises(ImageError) as caught:
        pick(Store(MINIO), "release")
    assert caught.value.exit_code == 4
    assert "KES" in caught.value.what
    assert UNAUTHORIZED in caught.value.because
    assert "2026-09-11" in caught.value.because
    for choice in ("--images sandbox", "--set images.kes=", "kesdeploy images load"):
        assert choice in caught.value.hint


@pytest.mark.parametrize("pull", ["missing", "never"])
def test_a_reference_of_the_users_is_named_without_the_publishers_story(pull):
    """A typo in a name of one's own has nothing to do with what became of MinIO's repositories."""
    with pytest.raises(ImageError) as caught:
        pick(Store(MINIO), "release", pull=pull, overrides={"kes": "my.registry/ksa:1"})
    assert "my.registry/ksa:1" in caught.value.because
    assert "2026-09-11" not in caught.value.because


def test_what_is_pulled_is_pinned_by_the_published_digest():
    chosen = pick(Store(remote={KES: give, MINIO: give}), "release")
    assert chosen["kes"].digest == catalogue()["kes"].digests[0].digest
    assert chosen["kes"].reference == KES


def test_a_mirror_is_taken_by_digest_alone():
    """Its tag may be anything: what lies here under it counts only when it is the published image."""
    mirror = next(s for s in catalogue()["minio"].sources if s.kind == "mirror")
    with pytest.raises(ImageError):
        pick(Store(KES, mirror.reference), "release", pull="never")
    digest = digest_of("minio", mirror)
    assert pick(Store(KES, mirror.reference, digest=digest), "release", pull="never")["minio"].digest == digest
    store = Store(KES, remote={mirror.reference: give})
    assert pick(store, "release")["minio"].reference == mirror.reference
    assert store.pulled[-1] == by_digest(mirror.reference, digest)


def test_what_is_here_by_digest_stands_over_a_tag():
    second = catalogue()["minio"].sources[1]
    exact = by_digest(second.reference, digest_of("minio", second))
    chosen = pick(Store(KES, MINIO, exact), "release")
    assert (chosen["minio"].id, chosen["minio"].reference) == (f"id-{exact}", second.reference)


def test_a_digest_of_the_users_is_enforced_here_too():
    given = f"my.registry/kes:1@sha256:{5:064}"
    with pytest.raises(ImageError):
        pick(Store(MINIO, "my.registry/kes:1"), "release", pull="never", overrides={"kes": given})
    store = Store(MINIO, remote={"my.registry/kes:1": give})
    assert pick(store, "release", overrides={"kes": given})["kes"].digest == f"sha256:{5:064}"


@pytest.mark.parametrize("emulated", [False, True])
def test_an_image_of_another_processor_is_refused_before_anything_starts(emulated, tmp_path, monkeypatch):
    monkeypatch.setattr("kesdeploy.local_images.machine", lambda: "riscv64")
    monkeypatch.setattr("kesdeploy.local_images._BINFMT", tmp_path)
    report = Listening()
    if emulated:
        (tmp_path / "qemu-x86_64").touch()
        assert pick(Store(KES, MINIO), "release", report=report)
        assert any("it runs emulated" in note for note in report.notes)
        return
    with pytest.raises(ImageError, match="is for amd64, and this machine is riscv64") as error:
        pick(Store(KES, MINIO), "release")
    assert "podman pull --platform linux/riscv64" in error.value.hint


def test_a_source_without_an_image_for_this_machine_is_not_asked(monkeypatch):
    for module in ("images", "local_images"):
        monkeypatch.setattr(f"kesdeploy.{module}.machine", lambda: "s390x")
    store = Store(remote={KES: give})
    with pytest.raises(ImageError, match="KES") as error:
        pick(store, "release")
    assert store.pulled == []
    assert f"{KES}: no image for s390x is published" in error.value.because


def test_refusals_are_told_with_what_they_mean():
    with pytest.raises(ImageError) as error:
        pick(Store(KES), "release")
    assert f"{MINIO}: {UNAUTHORIZED} (no login helps: quay.io/minio is closed" in error.value.because


def test_never_means_never():
    store = Store(remote={KES: give, MINIO: give})
    with pytest.raises(ImageError, match="KES"):
        pick(store, "release", pull="never")
    assert store.pulled == []


def test_always_pulls_what_is_here():
    store = Store(KES, MINIO, remote={KES: give, MINIO: give})
    pick(store, "release", pull="always")
    assert store.pulled == [asked(KES), asked(MINIO)]


def test_an_override_is_the_only_source():
    store = Store(MINIO, remote={"my.registry/kes:1": give})
    chosen = pick(store, "release", overrides={"kes": "my.registry/kes:1"})
    assert (chosen["kes"].reference, chosen["kes"].version) == ("my.registry/kes:1", "1")
    assert store.pulled == ["my.registry/kes:1"]


def test_a_fork_with_another_entrypoint():
    silo = next(s for s in catalogue()["minio"].elsewhere if "silo" in s.reference)
    chosen = pick(Store(KES, silo.reference), "release", overrides={"minio": silo.reference})
    assert chosen["minio"].entrypoint == ("silo",)


def test_releases_that_nobody_tried_together_are_told():
    report = Listening()
    pick(Store(KES, "r.example/minio:2"), "release", overrides={"minio": "r.example/minio:2"}, report=report)
    assert any("with MinIO 2: not known to have been tried together" in note for note in report.notes)
    report = Listening()
    pick(Store(KES, MINIO), "release", report=report)
    assert not any("together" in note for note in report.notes)


def test_a_digest_that_is_not_the_published_one_is_told():
    report = Listening()
    pick(Store(KES, MINIO), "release", report=report)
    assert any("not the published image" in note for note in report.notes)


def test_auto_takes_what_is_here_without_a_word():
    report = Listening()
    assert not pick(Store(KES, MINIO), "auto", report=report)["kes"].sandbox
    assert report.warnings == []


def test_auto_pulls_what_can_be_had():
    store = Store(remote={KES: give, MINIO: give})
    report = Listening()
    assert not pick(store, "auto", report=report)["minio"].sandbox
    assert report.warnings == []


def test_auto_with_mixed_answers_is_sandbox_for_all(sandbox):
    report = Listening()
    chosen = pick(Store(MINIO), "auto", report=report)
    assert chosen["kes"].sandbox
    assert chosen["minio"].sandbox
    assert chosen["minio"].reference.startswith("localhost/kesdeploy-sandbox/minio:")
    assert len(report.warnings) == 1
    assert "never be used for production" in report.warnings[0]
    assert UNAUTHORIZED in report.warnings[0]


def test_auto_does_not_wait_for_the_silent(sandbox, monkeypatch):
    from kesdeploy import pulling

    monkeypatch.setattr(pulling, "QUESTION", 0.5)
    monkeypatch.setattr(pulling, "SILENCE", 5.0)
    sources = [s.reference for c in ("kes", "minio") for s in catalogue()[c].sources]
    start = time.monotonic()
    assert pick(Store(remote=dict.fromkeys(sources, say_nothing)), "auto")["kes"].sandbox
    assert time.monotonic() - start < 3


def test_auto_waits_for_a_pull_that_is_going_on(monkeypatch):
    from kesdeploy import pulling

    def slowly(progress, stall):
        progress(Transfer("Copying blob sha256:1"))
        time.sleep(0.4)
        progress(Transfer("Copying config sha256:2"))

    monkeypatch.setattr(pulling, "QUESTION", 0.2)
    assert not pick(Store(remote={KES: slowly, MINIO: slowly}), "auto")["kes"].sandbox


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_puller_that_dies_is_no_puller_that_is_waited_for(sandbox):
    def dies(*_):
        raise RuntimeError("the engine's library broke")

    report = Listening()
    assert pick(Store(remote={KES: dies, MINIO: dies}), "auto", report=report)["kes"].sandbox
    assert "the engine's library broke" in report.warnings[0]


def test_auto_asks_all_sources_at_once():
    """The first is silent, the second has it: the silent one does not decide."""
    remote = {}
    for name in ("kes", "minio"):
        first, second, *_ = (s.reference for s in catalogue()[name].sources)
        remote |= {first: lambda *_: time.sleep(1.0), second: give}
    start = time.monotonic()
    chosen = pick(Store(remote=remote), "auto")
    assert not chosen["kes"].sandbox
    assert time.monotonic() - start < 0.9


def test_auto_and_never_is_sandbox_without_asking(sandbox):
    store = Store(remote={KES: give, MINIO: give})
    assert pick(store, "auto", pull="never")["kes"].sandbox
    assert store.pulled == []


def test_sandbox_is_made_once(sandbox):
    store = Store(KES, MINIO)
    first = pick(store, "sandbox")
    assert first["kes"].sandbox
    assert (first["kes"].entrypoint, first["minio"].entrypoint) == (("/kes",), ("/usr/bin/minio",))
    store.import_image = None  # whoever calls it again fails
    assert pick(store, "sandbox")["kes"].id == first["kes"].id


@pytest.fixture
def sandbox(monkeypatch):
    """No tar is written: tests/sandbox/test_image.py makes real ones."""
    from kesdeploy.sandbox import python_image

    def write(path):
        path.write_bytes(bytes((1 << 20) + 1))
        return ()

    monkeypatch.setattr(python_image, "write", write)

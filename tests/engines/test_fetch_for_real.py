"""Resolving on a real engine, from a registry of our own: digests, broken lines, silence."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kesdeploy import fetching, image_archive, image_mirror, image_store, images, pulling
from kesdeploy.engines import Engine
from kesdeploy.engines.podman import Podman
from kesdeploy.engines.podman_address import Address
from kesdeploy.errors import ImageError
from kesdeploy.own_images import wanted
from kesdeploy.references import by_digest
from kesdeploy.report import Silent
from tests.engines.registry import QUAY, Registry, fresh_layer, registry

pytestmark = pytest.mark.engine


@pytest.fixture
def server() -> Iterator[Registry]:
    with registry(fresh_layer()) as running:
        yield running


@pytest.fixture
def podman(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """One whose own service trusts that registry without TLS."""
    server.write_config(tmp_path / "registries.conf")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    with closing(Podman(Address("", "test"))) as opened:
        yield opened


@pytest.fixture
def puller(engine: Engine, request: pytest.FixtureRequest) -> Engine:
    """Each engine, trusting it. Docker does so by itself on 127.0.0.1."""
    found: Engine = engine if engine.info().name == "docker" else request.getfixturevalue("podman")
    return found


class _Kept:
    """An engine that commands do not close."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def close(self) -> None:
        pass


def _kes(engine: Engine, reference: str) -> images.Chosen:
    found = images.choose(
        engine, components=("kes",), mode="release", pull="missing", overrides={"kes": reference}, report=Silent()
    )
    return found["kes"]


def test_an_image_by_tag_and_by_digest(server: Registry, puller: Engine):
    """By tag the digest is told; by digest it is enforced, here and there, and the tag is its name."""
    digest = server.add_index("mirror/kes", "7", fresh_layer(), "amd64", "arm64")
    reference = f"{server.host}/mirror/kes:7"
    first = _kes(puller, reference)
    assert (first.reference, first.digest, first.version) == (reference, digest, "7")
    asked = len(server.asked)
    exact = _kes(puller, f"{reference}@{digest}")
    assert (exact.id, exact.digest, len(server.asked)) == (first.id, digest, asked), "it is here: nobody is asked"
    puller.remove_image(reference)
    assert _kes(puller, f"{reference}@{digest}").id == first.id
    found = puller.image(reference)
    assert found
    assert found.tags == (reference,)
    with pytest.raises(ImageError) as error:
        _kes(puller, f"{reference}@sha256:{5:064}")
    assert "does not have the release under the published digest" in error.value.because
    for name in (reference, by_digest(reference, digest)):
        puller.remove_image(name)
    server.lies = True
    with pytest.raises(ImageError):
        _kes(puller, f"{reference}@{digest}")
    assert puller.image(reference) is None


def test_a_layer_that_is_cut_off_is_fetched_again(server: Registry, podman: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetching, "_FIRST_PAUSE", 0)
    server.cut = 1
    reference = f"{server.host}/cut/kes:1"
    assert _kes(podman, reference).digest
    assert server.cut == 0
    podman.remove_image(reference)


def test_a_registry_that_wants_a_login_says_how(server: Registry, podman: Engine):
    server.refusal = QUAY
    with pytest.raises(ImageError) as error:
        _kes(podman, f"{server.host}/private/kes:1")
    assert f"podman login {server.host}" in error.value.because


def test_auto_asks_the_silent_and_the_willing_at_once(
    server: Registry, podman: Engine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pulling, "SILENCE", 1.5)
    server.silent = True
    begun = time.monotonic()
    asked = {name: wanted(name, {name: f"{server.host}/{name}:1"}) for name in ("kes", "minio")}
    refusals = pulling.race(podman, asked, Silent())
    assert any("said nothing" in refusal for refusal in refusals), refusals
    assert time.monotonic() - begun < pulling.QUESTION


def test_an_image_goes_to_a_registry_of_ones_own_and_into_an_archive(
    server: Registry, puller: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Pushed, taken from there by its digest, saved, loaded: the same image each time."""
    for module in (image_store, image_archive):
        monkeypatch.setattr(module, "open_engine", lambda *_: _Kept(puller))
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path))
    server.add("first/kes", "3", fresh_layer())
    monkeypatch.setenv("KESDEPLOY_IMAGE_KES", f"{server.host}/first/kes:3")
    (first,) = image_store.pull("auto", "", ["kes"], Silent()).data["images"]
    (row,) = image_mirror.mirror("auto", "", f"{server.host}/team", ["kes"], Silent()).data["images"]
    assert (row["to"], puller.image(row["to"])) == (f"{server.host}/team/kes:3", None)
    monkeypatch.delenv("KESDEPLOY_IMAGE_KES")
    (tmp_path / "own.yaml").write_text(f"kes: [{{reference: '{row['to']}', digest: '{row['digest']}'}}]")
    monkeypatch.setenv("KESDEPLOY_IMAGES", str(tmp_path / "own.yaml"))
    (second,) = image_store.pull("auto", "", ["kes"], Silent(), again=True).data["images"]
    assert (second["image"], second["id"]) == (row["to"], first["id"])
    image_archive.save("auto", "", tmp_path / "kes.tar", ["kes"], Silent())
    for name in (first["image"], row["to"], by_digest(row["to"], row["digest"])):
        puller.remove_image(name)
    assert puller.image(first["id"]) is None
    assert image_archive.load("auto", tmp_path / "kes.tar", Silent()).data["images"] == [row["to"]]
    assert puller.image(row["to"]).id == first["id"]
    puller.remove_image(row["to"])

"""Pulling from a registry of our own on 127.0.0.1: it succeeds, or raises; it never just returns (trap 1)."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kesdeploy.engines import Engine, Transfer
from kesdeploy.engines.podman import Podman
from kesdeploy.engines.podman_address import Address
from kesdeploy.errors import ImageError
from tests.engines.registry import QUAY, Registry, fresh_layer, registry

pytestmark = pytest.mark.engine


@pytest.fixture
def server(engine: Engine) -> Iterator[Registry]:
    with registry(fresh_layer()) as running:
        yield running


@pytest.fixture
def puller(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    """A Podman whose own service trusts that registry without TLS."""
    server.write_config(tmp_path / "registries.conf")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    with closing(Podman(Address("", "test"))) as podman:
        yield podman


def test_a_pull_brings_the_image_and_tells_of_it(server: Registry, puller: Podman):
    reference = f"{server.host}/some/tool:1"
    said: list[Transfer] = []
    server.pace = 0.15
    found = puller.pull(reference, stall=10, progress=said.append)
    try:
        assert found.tags == (reference,)
        assert puller.image(reference) == found
        assert any(line.layer and 0 < line.done < line.total for line in said), said
    finally:
        puller.remove_image(reference)


def test_a_slow_registry_is_not_a_silent_one(server: Registry, puller: Podman):
    reference = f"{server.host}/slow:1"
    server.pace = 0.4
    begun = time.monotonic()
    found = puller.pull(reference, stall=2, progress=lambda _: None)
    assert time.monotonic() - begun > 3, "longer as a whole than the silence that is allowed"
    puller.remove_image(found.id)


def test_a_missing_tag_is_an_error(server: Registry, puller: Podman):
    with pytest.raises(ImageError) as error:
        puller.pull(f"{server.host}/some/tool:no-such-tag", stall=10, progress=lambda _: None)
    assert "manifest unknown" in error.value.because


def test_a_dead_registry_is_an_error_soon(puller: Podman, free_port: int):
    begun = time.monotonic()
    with pytest.raises(ImageError) as error:
        puller.pull(f"127.0.0.1:{free_port}/tool:1", stall=4, progress=lambda _: None)
    assert error.value.because
    assert time.monotonic() - begun < 6


def test_a_registry_that_accepts_and_says_nothing_is_given_up(server: Registry, puller: Podman):
    server.silent = True
    begun = time.monotonic()
    with pytest.raises(ImageError) as error:
        puller.pull(f"{server.host}/some/tool:1", stall=2, progress=lambda _: None)
    assert time.monotonic() - begun < 4
    assert "2 s" in error.value.because


def test_a_registry_that_falls_silent_half_way_is_given_up(server: Registry, puller: Podman):
    server.stop_half_way = True
    begun = time.monotonic()
    with pytest.raises(ImageError):
        puller.pull(f"{server.host}/half:1", stall=2, progress=lambda _: None)
    assert time.monotonic() - begun < 6
    assert puller.image(f"{server.host}/half:1") is None


def test_a_port_where_no_registry_is_gives_podmans_words(puller: Podman):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.settimeout(0.1)
        with pytest.raises(ImageError) as error:
            puller.pull(f"127.0.0.1:{other.getsockname()[1]}/tool:1", stall=1, progress=lambda _: None)
    assert error.value.because


def test_what_is_pulled_by_digest_is_what_the_digest_says(server: Registry, puller: Podman):
    digest = server.add_index("some/tool", "2", fresh_layer(), "amd64", "arm64")
    found = puller.pull(f"{server.host}/some/tool@{digest}", stall=5, progress=lambda _: None)
    assert (found.tags, found.digest) == ((), digest)
    assert puller.image(f"{server.host}/some/tool@{digest}") == found
    assert f"{server.host}/some/tool@{digest}" in found.digests
    puller.remove_image(found.id)
    server.lies = True
    with pytest.raises(ImageError) as error:
        puller.pull(f"{server.host}/some/tool@{digest}", stall=5, progress=lambda _: None)
    assert "does not match provided manifest digest" in error.value.because


def test_what_is_pushed_can_be_pulled(server: Registry, puller: Podman):
    original, copy = f"{server.host}/some/tool:1", f"{server.host}/some/copy:1"
    found = puller.pull(original, stall=5, progress=lambda _: None)
    puller.tag(found.id, copy)
    digest = puller.push(copy, stall=5, progress=lambda _: None)
    server.refusal = QUAY
    with pytest.raises(ImageError) as error:
        puller.push(copy, stall=5, progress=lambda _: None)
    assert "unauthorized" in error.value.because
    server.refusal = None
    for name in (original, copy):
        puller.remove_image(name)
    assert puller.pull(f"{server.host}/some/copy@{digest}", stall=5, progress=lambda _: None).id == found.id
    puller.remove_image(found.id)


def test_podmans_own_login_is_used(server: Registry, puller: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    server.login = ("somebody", "pass:word")
    reference = f"{server.host}/some/tool:1"
    with pytest.raises(ImageError) as error:
        puller.pull(reference, stall=5, progress=lambda _: None)
    assert "not authorized" in error.value.because
    server.write_login(tmp_path / "auth.json")
    puller.remove_image(puller.pull(reference, stall=5, progress=lambda _: None).id)
    server.login = ("somebody", "else")
    with pytest.raises(ImageError) as error:
        puller.pull(reference, stall=5, progress=lambda _: None)
    assert "word" not in str(error.value.because)

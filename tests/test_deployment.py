from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import World, world

from kesdeploy.deployment import COMPONENT
from kesdeploy.engines import Container
from kesdeploy.errors import CertificateError
from kesdeploy.resources import Ref
from kesdeploy.state import Pinned

# The stand-ins are one image with two names; the engine tells any of them.
SHARED = {c: Pinned(f"localhost/{c}:1", "sha256:one", "", "1", ("/x",)) for c in ("kes", "minio")}


@pytest.fixture
def here(tmp_path, monkeypatch) -> World:
    return world(tmp_path, monkeypatch)


def _container(component: str, image_id: str) -> Container:
    labels = {COMPONENT: component} if component else {}
    return Container("1", "c", "pod", "localhost/kes:1", image_id, "running", 0, "", 0, labels)


@pytest.mark.parametrize(
    ("component", "image_id", "told"),
    [
        ("kes", "sha256:one", "localhost/kes:1"),
        ("minio", "sha256:one", "localhost/minio:1"),
        # Another image than the one that was chosen: only the engine knows.
        ("minio", "sha256:other", "localhost/kes:1"),
        ("", "sha256:one", "localhost/kes:1"),
    ],
)
def test_a_container_is_said_to_run_what_was_chosen_for_it(here, component, image_id, told):
    deployment = here.deployment
    deployment.state.update(lambda s: replace(s, images=SHARED))
    assert deployment.image_of(_container(component, image_id)) == told


@pytest.mark.parametrize("kind", ["identity", "api-key"])
def test_a_damaged_identity_says_how_to_go_on(here, kind):
    here.up()
    path = here.home.identity("minio")[1]
    path.write_bytes(b"garbage")
    with pytest.raises(CertificateError) as raised:
        here.deployment.value(Ref(kind, "minio"))
    assert str(path) in raised.value.what
    assert f"rm {path}" in raised.value.hint


def test_what_does_not_exist_yet_has_no_value(here):
    for ref in (Ref("secret", "root-password"), Ref("identity", "minio")):
        with pytest.raises(FileNotFoundError):
            here.deployment.value(ref)


def test_data_is_what_minio_wrote(here):
    assert not here.deployment.holds_data
    here.home.make("minio/photos")
    assert not here.deployment.holds_data
    here.home.make("minio/d1/.minio.sys/config")
    assert here.deployment.holds_data

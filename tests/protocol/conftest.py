"""Every test here runs twice: against the stand-ins, and against the real images where the local store has them."""

from __future__ import annotations

import pytest
from world import KES_IMAGE, MINIO_IMAGE, World, have_image, start_kes, start_minio


@pytest.fixture(scope="module", params=["stand-in", pytest.param("live", marks=pytest.mark.live)])
def world(request, tmp_path_factory):
    if request.param == "live":
        for image in (KES_IMAGE, MINIO_IMAGE):
            if not have_image(image):
                pytest.skip(f"{image} is not in the local store")
    found = World(request.param, tmp_path_factory.mktemp("world"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def kes(world):
    return start_kes(world)


@pytest.fixture(scope="module")
def minio(world, kes):
    return start_minio(world, kes)

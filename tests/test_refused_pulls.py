"""What registries say, and what it means: the texts are real ones."""

from __future__ import annotations

import pytest

from kesdeploy.refused_pulls import meaning, passing

HUB = "pull access denied for minio/minio, repository does not exist or may require 'docker login'"
PODMANS_HUB = "reading manifest 1 in docker.io/minio/minio: errors: denied: requested access to the resource is denied"
QUAY = "reading manifest x in quay.io/minio/minio: unauthorized: access to the requested resource is not authorized"
MINE = "my.example:5000/team/kes:1"


@pytest.mark.parametrize(
    ("reference", "words", "meant"),
    [
        ("docker.io/minio/minio:1", HUB, "no login helps: MinIO deleted"),
        ("docker.io/minio/mc@sha256:00", PODMANS_HUB, "no login helps: MinIO deleted"),
        ("quay.io/minio/minio:1", QUAY, "no login helps: quay.io/minio is closed"),
        (MINE, QUAY, "it has no such repository, or wants a login: podman login my.example:5000"),
        (MINE, HUB, "wants a login"),
        ("quay.io/minio/kes@sha256:00", "reading manifest: manifest unknown", "under the published digest"),
        (MINE, "manifest unknown", "no such tag"),
        (MINE, "Manifest does not match provided manifest digest sha256:00", "gave other bytes"),
        (MINE, "toomanyrequests: You have reached your pull rate limit.", "only so many pulls"),
        (MINE, "writing blob: open /var/lib/x: permission denied", ""),
        (MINE, "no space left on device", None),
    ],
)
def test_what_it_means(reference: str, words: str, meant: str | None):
    found = meaning(reference, words)
    assert meant is None or (meant in found if meant else "login" not in found)


def test_the_engine_is_called_by_its_name():
    assert meaning(MINE, QUAY, engine="docker").endswith("docker login my.example:5000")


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ("writing blob: storing blob to file: happened during read: unexpected EOF", True),
        ("read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer", True),
        ("received unexpected HTTP status: 503 Service Unavailable", True),
        (QUAY, False),
        ("manifest unknown", False),
        ("dial tcp: lookup quay.io: no such host", False),
        ("the registry said nothing for 30 s", False),
        (f"sha256:{500:064}: manifest unknown", False),
    ],
)
def test_only_what_may_pass_is_tried_again(words: str, again: bool):
    assert passing(words) is again

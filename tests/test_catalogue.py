from __future__ import annotations

import pytest

from kesdeploy.catalogue import (
    Source,
    advisories,
    catalogue,
    digest_of,
    is_older,
    known_pair,
    known_source,
    version_of,
)


def test_every_component_can_be_asked_for_somewhere():
    """What the form cannot see: it is read by `catalogue()`, which every test here calls."""
    assert set(catalogue()) == {"kes", "minio", "mc", "openbao", "vault"}
    for component in catalogue().values():
        assert {digest.version for digest in component.digests} >= {
            version_of(source.reference) for source in component.sources if source.kind == "mirror"
        }


def test_a_digest_counts_wherever_its_release_comes_from():
    published = "sha256:a1ea29fa28355559ef137d71fc570e508a214ec84ff8083e39bc5428980b015e"
    release = "any.example/minio:RELEASE.2025-04-22T22-12-26Z"
    sources = [*catalogue()["minio"].sources, Source(release)]
    assert {digest_of("minio", source) for source in sources} == {published}
    assert digest_of("minio", Source(release, digest=f"sha256:{0:064}")) == f"sha256:{0:064}"
    assert digest_of("minio", Source("any.example/minio:latest")) == ""


def test_a_community_build_has_the_name_of_a_release_and_other_bytes():
    alpine = known_source("minio", "docker.io/alpine/minio:RELEASE.2025-10-15T17-29-55Z")
    assert alpine
    assert digest_of("minio", Source("x.example/minio:RELEASE.2025-04-22T22-12-26Z", kind="community")) == ""


def test_the_pinned_releases_are_a_pair_that_was_seen_to_work():
    release = {name: catalogue()[name].version for name in ("kes", "minio", "mc")}
    pair = known_pair(release["kes"], release["minio"])
    assert pair
    assert pair.mc == release["mc"]
    assert known_pair(release["kes"], "RELEASE.2099-01-01T00-00-00Z") is None


def test_the_wheel_is_the_one_that_the_extra_pins():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    pins = [r.partition("==")[2] for r in project["project"]["optional-dependencies"]["openbao"]]
    assert pins == list(catalogue()["openbao"].wheel) == [catalogue()["openbao"].version]


@pytest.mark.parametrize(
    ("component", "a", "b", "older"),
    [
        ("minio", "RELEASE.2025-04-22T22-12-26Z", "RELEASE.2025-09-07T16-13-09Z", True),
        ("minio", "RELEASE.2025-09-07T16-13-09Z", "RELEASE.2025-04-22T22-12-26Z", False),
        ("minio", "RELEASE.2025-04-22T22-12-26Z", "RELEASE.2025-04-22T22-12-26Z", False),
        ("kes", "2024-01-11T13-09-29Z", "2025-03-12T09-35-18Z", True),
        ("openbao", "2.5.0", "2.7.2", True),
        ("openbao", "2.10.0", "2.7.2", False),
        ("vault", "1.20", "1.20.4", True),
        ("kes", "a1b2c3d4", "2025-03-12T09-35-18Z", False),
        ("minio", "latest", "RELEASE.2025-04-22T22-12-26Z", False),
    ],
)
def test_the_order_of_versions(component, a, b, older):
    assert is_older(component, a, b) is older


def test_advisories_of_a_version():
    first = {a.cve for a in advisories("minio", "RELEASE.2025-04-22T22-12-26Z")}
    assert {"CVE-2025-62506", "CVE-2026-34204"} <= first
    assert "CVE-2025-31489" not in first, "mended before"
    later = {a.cve for a in advisories("minio", "RELEASE.2025-10-15T17-29-55Z")}
    assert first - later == {"CVE-2025-62506"}
    assert {a.cve for a in advisories("minio", "latest")} == first | {"CVE-2025-31489"}
    assert [a.id for a in advisories("kes", "2025-03-12T09-35-18Z")] == ["CVE-2025-30204"]
    assert advisories("mc", "RELEASE.2025-04-16T18-13-26Z") == ()


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("quay.io/minio/kes:2025", "2025"),
        ("localhost:5000/kes", ""),
        ("localhost:5000/kes:1", "1"),
        ("quay.io/minio/kes:1@sha256:ab", "1"),
        ("quay.io/minio/kes@sha256:ab", ""),
    ],
)
def test_the_tag_of_a_reference(reference, version):
    assert version_of(reference) == version

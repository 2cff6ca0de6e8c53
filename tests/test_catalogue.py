from __future__ import annotations

import re

import pytest

from kesdeploy.catalogue import advisories, catalogue, is_older, version_of


def test_every_component_can_be_asked_for_somewhere():
    assert set(catalogue()) == {"kes", "minio", "mc", "openbao", "vault"}
    for component in catalogue().values():
        assert component.sources
        assert component.entrypoint
        assert component.situation
        for source in component.sources:
            assert version_of(source.reference) == component.version


def test_digests_look_like_digests():
    for component in catalogue().values():
        for source in (*component.sources, *component.elsewhere):
            assert not source.digest or re.fullmatch(r"sha256:[0-9a-f]{64}", source.digest)
        for hashes in component.wheel.values():
            assert all(re.fullmatch(r"[0-9a-f]{64}", h) for h in hashes.values())


def test_what_is_elsewhere_says_what_differs():
    assert all(s.note for c in catalogue().values() for s in c.elsewhere)


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
    later = {a.cve for a in advisories("minio", "RELEASE.2025-10-15T17-29-55Z")}
    assert first - later == {"CVE-2025-62506"}
    assert {a.cve for a in advisories("minio", "latest")} == first
    assert advisories("kes", "2025-03-12T09-35-18Z") == ()


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

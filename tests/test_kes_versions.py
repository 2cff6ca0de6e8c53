"""What differs between releases of KES is one table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_fixtures import SITE, spec_of

from kesdeploy import topology
from kesdeploy.catalogue import catalogue
from kesdeploy.errors import UsageError
from kesdeploy.kes_versions import GENERATIONS, generation, reads

OLD, NEW = "2024-01-11T13-09-29Z", "2025-03-12T09-35-18Z"


def test_the_table_is_in_order():
    since = [each.since for each in GENERATIONS]
    assert since == sorted(since)
    assert [each.keys for each in GENERATIONS] == sorted(each.keys for each in GENERATIONS)


@pytest.mark.parametrize(
    ("version", "since"),
    [
        (OLD, OLD),
        ("2024-02-28T23-59-59Z", OLD),
        ("2024-02-29T08-12-28Z", "2024-02-29T08-12-28Z"),
        ("2024-06-17T15-47-05Z", "2024-06-17T15-47-05Z"),
        (NEW, "2024-06-17T15-47-05Z"),
        (f"{NEW}-fips", "2024-06-17T15-47-05Z"),
        ("latest", "2024-06-17T15-47-05Z"),
        ("", "2024-06-17T15-47-05Z"),
    ],
)
def test_a_release_belongs_to_the_newest_generation_before_it(version, since):
    assert generation(version).since == since


@pytest.mark.parametrize("version", ["v0.22.3", "0.13.5", "2023-11-10T10-44-28Z"])
def test_what_is_older_than_the_table_is_refused(version):
    with pytest.raises(UsageError, match="too old"):
        generation(version)


@pytest.mark.parametrize(
    ("version", "written_by", "can"),
    [
        (NEW, OLD, True),
        (OLD, NEW, False),
        (OLD, OLD, True),
        ("2024-03-01T00-00-00Z", NEW, True),
        (OLD, "latest", False),
    ],
)
def test_who_reads_what_another_wrote(version, written_by, can):
    assert reads(version, written_by) is can


def test_the_release_of_the_catalogue_is_of_the_newest_generation():
    assert generation(catalogue()["kes"].version) == GENERATIONS[-1]


def _site(version: str):
    return replace(SITE, images={**SITE.images, "kes": replace(SITE.images["kes"], version=version)})


def test_certificates_need_a_kes_that_trusts_our_ca():
    wanted = spec_of(kes__auth="certificate")
    topology.desired(wanted, _site(NEW))
    with pytest.raises(UsageError, match="cannot do") as raised:
        topology.desired(wanted, _site(OLD))
    assert "--set kes.auth=api-key" in raised.value.hint


def test_a_path_that_an_older_kes_does_not_have():
    wanted = spec_of(kes__api={"/v1/key/hmac/": {"timeout": "5s"}})
    topology.desired(wanted, _site(NEW))
    with pytest.raises(UsageError, match="no such path"):
        topology.desired(wanted, _site(OLD))


def test_azure_without_credentials_needs_a_kes_that_finds_them():
    azure = "name: a\nkey_name: k\nkeystore: {azure: {endpoint: 'https://demo-keys.vault.azure.net'%s}}\n"
    alone, named = azure % "", azure % ", managed_identity: {client_id: 7c9e6679-7425-40de-944b-e07fc1f90ae7}"
    for text, version in ((alone, NEW), (named, NEW), (named, OLD)):
        topology.desired(spec_of(text), _site(version))
    with pytest.raises(UsageError, match="does not log in to Azure as the machine"):
        topology.desired(spec_of(alone), _site(OLD))


def test_everything_else_is_the_same_for_both():
    def bodies(version):
        return [resource.digest for resource in topology.desired(spec_of(), _site(version))]

    assert bodies(OLD) == bodies(NEW)

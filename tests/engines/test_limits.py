"""Limits that an engine would only warn of are refused before anything is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kesdeploy.engines import ContainerSpec, limits
from kesdeploy.errors import EngineError

SPEC = ContainerSpec("c", "p", "i", ("/bin/sh",), (), "0:0")


@pytest.mark.parametrize(
    ("able", "ignored"),
    [
        (("memory", "cpu", "pids"), ""),
        (("cpu",), "memory"),
        (("memory",), "cpu"),
        ((), "memory and cpu"),
    ],
)
def test_what_the_engine_cannot_hold_is_named(able, ignored):
    spec = replace(SPEC, memory=2**27, cpus=1.5)
    if not ignored:
        limits.refuse_ignored("Container c cannot be created", spec, lambda: able)
        return
    with pytest.raises(EngineError, match="Container c cannot be created") as refused:
        limits.refuse_ignored("Container c cannot be created", spec, lambda: able)
    assert refused.value.because.endswith(f"limits of {ignored}")
    assert "`limits`" in refused.value.hint


def test_what_nobody_asked_for_is_not_looked_at():
    limits.refuse_ignored("", SPEC, lambda: pytest.fail("it was asked"))
    limits.refuse_ignored("", replace(SPEC, memory=2**27), lambda: ("memory",))


@pytest.mark.parametrize(("cpus", "expected"), [(0.01, 1000), (0.5, 50_000), (1.0, 100_000), (0.333, 33_300)])
def test_a_quota_is_of_linuxs_own_period(cpus, expected):
    assert limits.quota(cpus) == expected

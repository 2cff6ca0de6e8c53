"""Waiting with a deadline."""

from __future__ import annotations

import subprocess
import sys
from time import monotonic

import pytest

from kesdeploy.clients.waiting import wait_until
from kesdeploy.errors import CertificateError, ServiceError


def failing(times: int, error: type[Exception] = ServiceError):
    """A probe that fails so often, and then says how often it was called."""
    calls = []

    def probe() -> int:
        calls.append(1)
        if len(calls) <= times:
            raise error(f"failure {len(calls)}")
        return len(calls)

    return probe


def test_success_is_returned_with_its_value():
    assert wait_until(failing(0), timeout=1) == 1
    assert wait_until(failing(3), timeout=2, interval=0.001) == 4


def test_after_the_deadline_the_last_error_comes_through():
    began = monotonic()
    with pytest.raises(ServiceError, match=r"failure \d+") as caught:
        wait_until(failing(10**6), timeout=0.2, interval=0.01)
    assert 0.15 < monotonic() - began < 2
    assert int(str(caught.value).split()[1]) > 2


def test_no_time_at_all_means_one_attempt():
    with pytest.raises(ServiceError, match="failure 1"):
        wait_until(failing(5), timeout=0)


def test_what_waiting_cannot_mend_is_raised_at_once():
    with pytest.raises(CertificateError, match="failure 1"):
        wait_until(failing(5, CertificateError), timeout=5)


def test_success_at_once_does_not_import_tenacity():
    code = "import sys; from kesdeploy.clients.waiting import wait_until as w; w(int, timeout=1); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "kesdeploy.clients.waiting" in loaded
    assert "tenacity" not in loaded


def test_what_is_hopeless_is_given_up():
    attempts = []

    def probe():
        attempts.append(1)
        raise ServiceError("nobody answers")

    begun = monotonic()
    with pytest.raises(ServiceError, match="nobody answers"):
        wait_until(probe, timeout=30, interval=0.01, hopeless=lambda: len(attempts) > 2)
    assert monotonic() - begun < 5

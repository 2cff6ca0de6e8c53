"""Waiting for a service, with a deadline."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

from kesdeploy.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(
    probe: Callable[[], T], *, timeout: float, interval: float = 0.05, hopeless: Callable[[], bool] = lambda: False
) -> T:
    """Call `probe` until it returns instead of raising ServiceError, every `interval` seconds, and return its result.

    After `timeout` seconds, or once it is `hopeless`, the last error is raised as it is. Any other exception passes
    through at once.
    """
    deadline = monotonic() + timeout
    try:
        return probe()
    except ServiceError:
        if monotonic() + interval > deadline:
            raise
    sleep(interval)
    # What is up at the first attempt, as in an `up` that changes nothing, need not pay for this import.
    from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

    late = stop_after_delay(deadline - monotonic())
    patiently = Retrying(
        stop=lambda state: late(state) or hopeless(),
        wait=wait_fixed(interval),
        retry=retry_if_exception_type(ServiceError),
        reraise=True,
    )
    return patiently(probe)

"""What Podman stumbles over only for a moment is asked again; none of it can be had from a real one on demand."""

from __future__ import annotations

import pytest

from kesdeploy.engines.podman_pods import PodmanPods
from kesdeploy.engines.refusals import Refused

# Podman 4.3.1, while the container wrote.
WRITTEN_MEANWHILE = "failed to obtain logs for Container 'c': unable to read log file a1 for /x: unable to convert time"
# The same, while somebody's container was removed.
REMOVED_MEANWHILE = "joining network namespace of container a1: retrieving network namespace at /run/netns/netns-1"


class Door:
    """Refuses so many times."""

    def __init__(self, because: str, times: int) -> None:
        self.because, self.left, self.asked = because, times, 0

    def send(self, _: object) -> str:
        self.asked += 1
        self.left -= 1
        if self.left >= 0:
            raise Refused("not now", because=self.because, status=500)
        return "answered"

    def json(self, call: object) -> list[dict]:
        self.send(call)
        ports = [{"host_ip": "127.0.0.1", "host_port": 9000}]
        told = {"ImageID": "i", "ExitCode": 0, "StartedAt": 1, "Labels": {}, "IsInfra": False}
        return [{"Id": "c", "Names": ["web"], "State": "running", "Image": "x", "Ports": ports, **told}]


def test_a_log_that_is_written_meanwhile():
    door = Door(WRITTEN_MEANWHILE, 2)
    PodmanPods(door).logs("c", tail=5)
    assert door.asked == 3


def test_a_log_that_is_refused_for_good():
    for_ever = Door(WRITTEN_MEANWHILE, 100)
    with pytest.raises(Refused):
        PodmanPods(for_ever).logs("c", tail=5)
    missing = Door("no such container", 100)
    with pytest.raises(Refused):
        PodmanPods(missing).logs("c", tail=5)
    assert (for_ever.asked, missing.asked) == (3, 1)


def test_one_that_spoils_the_list_of_all_is_in_nobodys_way():
    """Its network namespace is gone: while it is removed, or for ever."""
    assert list(PodmanPods(Door(REMOVED_MEANWHILE, 2)).publishers([9000])) == [9000]
    for_ever = Door(REMOVED_MEANWHILE, 100)
    assert PodmanPods(for_ever).publishers([9000]) == {}
    assert for_ever.asked == 3
    with pytest.raises(Refused):
        PodmanPods(Door("out of memory", 1)).publishers([9000])


def test_one_that_is_gone_by_the_time_it_is_looked_at():
    """Podman says so with status 500 then, not with 404."""
    assert PodmanPods(Door("a1 does not exist in database: no such container", 1)).container("c") is None
    with pytest.raises(Refused):
        PodmanPods(Door("out of memory", 1)).container("c")

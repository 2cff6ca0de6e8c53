"""The doctor on a real Podman: the faults are real, and so are the cures.

Podman's configuration is replaced in a mount namespace of its own, so that nobody else on the machine notices.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from commands import listed

from kesdeploy.doctor.inside import FILES, MEMORY, MOUNTS, NAMES, TIME, USERS
from kesdeploy.doctor.start import ANSWERS, STARTS, examine_start
from kesdeploy.engines.podman_address import own_socket
from kesdeploy.engines.podman_service import listens

pytestmark = pytest.mark.engine

_DROP_INS = "/etc/containers/containers.conf.d"
_MEND = """
import json, sys
from kesdeploy.doctor import mend, undo
from kesdeploy.doctor.start import examine_start
from kesdeploy.doctor.machine import drop_in
first = examine_start()
done = mend(first, allowed=lambda change: True, again=examine_start)
once_more = mend(done.findings, allowed=lambda change: True, again=examine_start)
text = drop_in().read_text() if drop_in().exists() else ""
undone = undo()
print(json.dumps({
    "first": [(f.name, f.verdict, f.evidence) for f in first],
    "last": [(f.name, f.verdict, f.evidence) for f in done.findings],
    "fixes": [f.fix for f in done.findings],
    "changes": len(done.changes), "more": len(once_more.changes), "text": text,
    "after_undo": [f.verdict for f in examine_start()],
}))
"""


def _in_a_world_of_its_own(config: str, python: str = _MEND) -> dict:
    """Run Python where Podman's drop-ins are these lines alone."""
    script = f'mount -t tmpfs none {_DROP_INS} && printf %s "$1" >{_DROP_INS}/50-test.conf && exec "$2" -c "$3"'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", config, sys.executable, python]
    elsewhere = ("CONTAINERS_CONF", "CONTAINER_HOST", "CONTAINER_CONNECTION", "DOCKER_HOST")  # a Docker of the tests
    environment = {k: v for k, v in os.environ.items() if k not in elsewhere}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def podman() -> None:
    if not shutil.which("podman"):
        pytest.skip("no podman")


@pytest.fixture
def namespace() -> None:
    if os.geteuid() != 0 or not Path(_DROP_INS).is_dir():
        pytest.skip(f"only root can replace {_DROP_INS} for itself, and only where it exists")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    if listens(own_socket()):
        pytest.skip("a Podman service runs already: it does not see a configuration of ours")


def test_a_container_starts_and_is_what_a_deployment_needs_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path))
    before = _all()
    found = {finding.name: finding for finding in examine_start()}
    wanted = (STARTS, ANSWERS, "localhost", MOUNTS, USERS, MEMORY, FILES, NAMES, TIME)
    assert tuple(found) == wanted, found
    assert "FAIL" not in {finding.verdict for finding in found.values()}, found
    assert [found[name].verdict for name in (STARTS, ANSWERS, MOUNTS, USERS, NAMES, TIME)] == ["PASS"] * 6
    assert str(tmp_path) in found[MOUNTS].evidence
    assert list(tmp_path.iterdir()) == []
    deadline = time.monotonic() + 15  # other tests may have the doctor in at the same time
    while left := [line for line in _all() - before if "kesdeploy-doctor" in line]:
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def test_limits_that_the_machine_forbids_are_mended(namespace: None):
    seen = _in_a_world_of_its_own("")
    if seen["first"][0][1] == "PASS":
        pytest.skip("containers start here without any help")
    assert "rlimit" in seen["first"][0][2]
    assert {verdict for _, verdict, _ in seen["last"]} <= {"PASS", "WARN"}, seen["last"]
    assert "default_ulimits" in seen["text"]
    assert (seen["changes"], seen["more"]) == (1, 0)
    assert seen["after_undo"] == ["FAIL"], "undone is undone"


def test_a_runtime_that_fails_here_is_replaced_and_what_it_hid_is_mended_too(namespace: None):
    if not (crun := os.environ.get("KESDEPLOY_TEST_CRUN") or shutil.which("crun")) or not shutil.which("runc"):
        pytest.skip("wants crun and runc side by side")
    seen = _in_a_world_of_its_own(f'[engine]\nruntime = "crun"\n[engine.runtimes]\ncrun = ["{crun}"]\n')
    if seen["first"][0][1] == "PASS":
        pytest.skip("crun works here")
    assert {verdict for _, verdict, _ in seen["last"]} <= {"PASS", "WARN"}, seen["last"]
    assert seen["more"] == 0
    assert seen["after_undo"] == ["FAIL"]


def test_a_fault_that_no_setting_mends_leaves_no_file(namespace: None):
    seen = _in_a_world_of_its_own(
        '[engine]\nruntime = "no-such-runtime"\n[engine.runtimes]\nno-such-runtime = ["/bin/false"]\n',
        textwrap.dedent("""
            import json
            from kesdeploy.doctor import mend
            from kesdeploy.doctor.machine import drop_in
            from kesdeploy.doctor.start import examine_start
            done = mend(examine_start(), allowed=lambda change: True, again=examine_start)
            print(json.dumps({"verdict": done.findings[0].verdict, "evidence": done.findings[0].evidence,
                              "there": drop_in().exists()}))
        """),
    )
    assert seen["verdict"] == "FAIL"
    assert seen["evidence"]
    assert not seen["there"]


def test_without_iptables_the_package_is_named(tmp_path: Path):
    """Podman's network program looks for it in PATH."""
    if listens(own_socket()):
        pytest.skip("a Podman service runs already, with a PATH of its own")
    for name in ("podman", "runc", "crun", "conmon", "ldd", "sh", "slirp4netns", "newuidmap", "newgidmap", "apt-get"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    python = "import json; from kesdeploy.doctor.start import examine_start\n"
    python += "print(json.dumps([(f.verdict, f.evidence, f.fix) for f in examine_start()]))"
    done = subprocess.run(
        [sys.executable, "-c", python],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    ((verdict, evidence, fix), *_) = json.loads(done.stdout)
    if verdict == "PASS":
        pytest.skip("this Podman needs no iptables")
    assert fix.endswith("apt-get install -y iptables"), evidence


def _all() -> set[str]:
    found = set()
    for argv in (
        ["ps", "-a", "--format", "{{.Names}}"],
        ["pod", "ps", "--format", "{{.Name}}"],
        ["images", "--format", "{{.Repository}}"],
    ):
        found |= set(listed("podman", *argv).split())
    return found

"""What a container saw, and what is made of it. The looks themselves are real in test_doctor_live.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kesdeploy.doctor.finding import Verdict
from kesdeploy.doctor.inside import FILES, HELLO, MEMORY, MOUNTS, NAMES, TIME, USERS, Around, judged, words
from kesdeploy.doctor.machine import Machine

MACHINE = Machine("alice", root=False, runtimes=("runc",), open_files=1, processes=1, manager="dnf")
AROUND = Around(1000.0, 1002.0, "/home/alice", {"written": 7, "data": 7}, ours=7, private=True, selinux=False)
SEEN = {
    "time": "1001.0",
    "read": HELLO.decode(),
    "refused": "! [Errno 30] Read-only file system: '/given/new'",
    "write": "written",
    "data": "written",
    "uid_map": "0 0 4294967295",
    "name": "kesdeploy",
    "files": "20000 20000 files",
    "memlock": "8388608 8388608 bytes",
    "capabilities": "00000000000000fb",
    "swaps": "Filename Type Size Used Priority",
    "lock some": "0",
    "lock all": "-1",
}
SWAPS = "Filename Type Size Used Priority /dev/sda2 partition 1 0 -2"


def _found(around: Around = AROUND, **seen: str) -> dict:
    other = {name if name in SEEN else name.replace("_", " "): value for name, value in seen.items()}
    return {f.name: f for f in judged({**SEEN, **other}, around, MACHINE)}


def test_all_is_well():
    assert {f.verdict for f in _found().values()} == {Verdict.PASS}


def test_words_are_lines_with_a_name():
    assert words(["a=b=c", "noise", "d="]) == {"a": "b=c", "d": ""}


@pytest.mark.parametrize("look", ["read", "write", "data"])
def test_a_folder_that_a_container_may_not_use(look):
    finding = _found(**{look: "! [Errno 13] Permission denied: '/x'"})[MOUNTS]
    assert finding.verdict is Verdict.FAIL
    assert f"{look}: [Errno 13] Permission denied" in finding.evidence
    assert "KESDEPLOY_HOME" in finding.fix


def test_under_selinux_the_label_is_what_helps():
    finding = _found(replace(AROUND, selinux=True), data="! [Errno 13] Permission denied: '/data/new'")[MOUNTS]
    assert finding.fix == "sudo chcon -R -t container_file_t /home/alice/minio-kes-*"


def test_an_engine_that_sees_another_disk():
    assert _found(read="")[MOUNTS].verdict is Verdict.FAIL


def test_read_only_that_is_none():
    finding = _found(refused="written")[MOUNTS]
    assert (finding.verdict, finding.evidence) == (Verdict.FAIL, "what was mounted read-only could be written")


def test_a_disk_without_rights():
    finding = _found(replace(AROUND, private=False))[MOUNTS]
    assert finding.verdict is Verdict.FAIL
    assert "0600" in finding.evidence


def test_a_look_that_said_nothing_does_not_pass():
    found = {f.name: f.verdict for f in judged({}, AROUND, MACHINE)}
    assert (found[MOUNTS], found[NAMES], found[TIME]) == (Verdict.FAIL, Verdict.FAIL, Verdict.WARN)


def test_users_that_are_mapped():
    assert _found()[USERS].evidence.startswith("as they are here")
    mapped = _found(uid_map="0 1001 1 1 100000 65536")[USERS]
    assert (mapped.verdict, mapped.evidence.split(";")[0]) == (Verdict.PASS, "0 inside is 1001 here, 1 of them")
    strange = _found(replace(AROUND, owners={"data": 100999}))[USERS]
    assert (strange.verdict, "100999" in strange.evidence) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("seen", "verdict", "told"),
    [
        ({"lock_all": "0"}, "PASS", "all of it (limit 8 MiB, no IPC_LOCK)"),
        ({"lock_all": "0", "capabilities": "4000"}, "PASS", "all of it (limit 8 MiB, IPC_LOCK is granted)"),
        ({}, "PASS", "a little (limit 8 MiB, no IPC_LOCK); there is no swap that keys could get into"),
        ({"swaps": SWAPS}, "WARN", "a little (limit 8 MiB, no IPC_LOCK): keys in memory can get into the swap"),
        ({"swaps": SWAPS, "lock_some": "-1", "memlock": "unlimited x"}, "WARN", "none (limit unlimited, no IPC_LOCK)"),
        ({"swaps": SWAPS, "lock_some": "! No module named '_ctypes'"}, "WARN", "it could not be tried"),
    ],
)
def test_locked_memory_is_never_a_reason_to_fail(seen, verdict, told):
    finding = _found(**seen)[MEMORY]
    assert (finding.verdict, finding.evidence.startswith(told)) == (verdict, True), finding


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [("1024 4096 files", "WARN"), ("4096 4096 files", "PASS"), ("unlimited x", "PASS"), ("", "PASS")],
)
def test_files_that_may_be_open(limits, verdict):
    assert _found(files=limits)[FILES].verdict == verdict


def test_a_name_that_is_not_found():
    finding = _found(name="! [Errno -2] Name or service not known")[NAMES]
    assert (finding.verdict, "Name or service" in finding.evidence) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("there", "verdict", "told"),
    [
        ("1001", "PASS", "is this machine's"),
        ("998.5", "PASS", "is this machine's"),
        ("940", "WARN", "is 60 s behind this machine's"),
        ("1062", "WARN", "is 60 s ahead of this machine's"),
        ("-5000", "FAIL", "is 6000 s behind"),
        ("! no", "WARN", "it could not be read"),
    ],
)
def test_the_clock_of_containers(there, verdict, told):
    finding = _found(time=there)[TIME]
    assert (finding.verdict, finding.evidence.startswith(told)) == (verdict, True), finding

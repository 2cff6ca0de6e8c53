from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from kesdeploy.errors import Locked, StateError
from kesdeploy.home import Home
from kesdeploy.report import Silent
from kesdeploy.state import VERSION, Pinned, State, StateFile, locked

PIN = Pinned("kes:1", "sha256:1", "sha256:2", "2025-03-12T09-35-18Z", ("/kes", "x"))


@pytest.fixture
def home(kesdeploy_home) -> Home:
    made = Home.of("fs")
    made.prepare()
    return made


def test_a_file_system_without_locks_is_told(home, monkeypatch):
    def unable(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", unable)
    with pytest.raises(StateError, match="cannot lock") as error, locked(home, timeout=1, report=Silent(), command="x"):
        pass
    assert error.value.because == os.strerror(errno.ENOLCK)


def test_a_state_comes_back_as_it_was_written(home):
    file = StateFile.open(home)
    file.update(lambda s: replace(s, engine="podman", sandbox=True, keystore="fs", images={"kes": PIN}))
    file.written("file/a")
    file.has_loaded("container/c", ("file/a",), file.value)
    assert StateFile.open(home).value == file.value
    assert file.value.images["kes"].entrypoint == ("/kes", "x")


def test_without_a_file_it_is_a_fresh_one(home):
    assert StateFile.open(home).value == State("fs")
    assert not home.state.exists()


def test_it_is_private_and_says_its_version(home):
    StateFile.open(home).written("file/a")
    assert home.state.stat().st_mode & 0o777 == 0o600
    assert json.loads(home.state.read_text())["version"] == VERSION


def test_one_of_a_newer_kesdeploy_is_left_alone(home):
    home.state.write_text(json.dumps({"version": VERSION + 1, "anything": 1}))
    with pytest.raises(StateError, match="newer kesdeploy") as raised:
        StateFile.open(home)
    assert raised.value.exit_code == 8
    assert "upgrade" in raised.value.hint
    assert json.loads(home.state.read_text())["anything"] == 1


GOOD = {"version": 1, "deployment": "fs", "images": {}, "generations": {}, "loaded": {}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"version": 1, "deplo',
        "[]",
        "7",
        "null",
        '"text"',
        "{}",
        "\0\0\0\0",
        pytest.param("[" * 100_000, id="deep"),
        json.dumps({**GOOD, "version": "1"}),
        json.dumps({**GOOD, "version": None}),
        json.dumps({**GOOD, "images": []}),
        json.dumps({**GOOD, "images": {"kes": {}}}),
        json.dumps({**GOOD, "images": {"kes": 7}}),
        json.dumps({**GOOD, "images": {"kes": {**vars(PIN), "entrypoint": None}}}),
        json.dumps({**GOOD, "unknown": 1}),
        json.dumps({**GOOD, "generations": []}),
        json.dumps({**GOOD, "generations": {"file/a": "1"}}),
        json.dumps({**GOOD, "loaded": {"container/c": 1}}),
        json.dumps({**GOOD, "sandbox": "yes"}),
        json.dumps({**GOOD, "engine": 1}),
    ],
)
def test_a_corrupt_one_is_one_clear_error_and_stays(home, text):
    home.state.write_text(text)
    with pytest.raises(StateError, match="is corrupt") as raised:
        StateFile.open(home)
    assert str(home.state) in raised.value.hint
    assert home.state.read_text() == text


def test_bytes_that_are_no_text(home):
    home.state.write_bytes(b"\xff\xfe{}")
    with pytest.raises(StateError, match="is corrupt"):
        StateFile.open(home)


def test_a_folder_in_its_place(home):
    home.state.mkdir()
    with pytest.raises(StateError, match="cannot read"):
        StateFile.open(home)


def test_eight_threads_lose_no_update(home):
    file = StateFile.open(home)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: file.written(f"file/{n % 4}"), range(80)))
    assert StateFile.open(home).value.generations == {f"file/{n}": 20 for n in range(4)}
    assert [p.name for p in home.root.iterdir() if p.name.startswith(".state")] == []


def test_a_reader_never_sees_half_a_file(home):
    file, stop, seen = StateFile.open(home), threading.Event(), []
    file.written("file/0")

    def read() -> None:
        while not stop.is_set():
            seen.append(json.loads(home.state.read_text())["version"])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        file.written(f"file/{number}")
    stop.set()
    reader.join()
    assert set(seen) == {VERSION}


# --- what a container has read


def test_a_container_that_never_read_is_stale():
    assert State("fs").stale("container/c", ("file/a",)) == {"file/a"}


def test_what_was_written_after_the_look_is_stale(home):
    file = StateFile.open(home)
    file.written("file/a")
    as_of = file.value
    file.written("file/a")
    file.has_loaded("container/c", ("file/a", "file/b"), as_of)
    assert file.value.stale("container/c", ("file/a", "file/b")) == {"file/a"}
    assert file.value.stale("container/other", ("file/b",)) == {"file/b"}


def test_what_was_loaded_is_fresh(home):
    file = StateFile.open(home)
    file.written("file/a")
    file.has_loaded("container/c", ("file/a",), file.value)
    assert file.value.stale("container/c", ("file/a",)) == frozenset()


# --- the lock

HOLD = """
import sys, time
from kesdeploy.home import Home
from kesdeploy.report import Silent
from kesdeploy.state import locked
home = Home.of("fs")
with locked(home, timeout=30, report=Silent(), command=sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
    if "destroy" in sys.argv[1]:
        home.remove()
print("free", flush=True)
"""


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _holder(command: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def _release(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=10)


def test_the_second_waits_and_names_the_holder(home):
    other, told = _holder("kesdeploy up"), Told()
    threading.Timer(1.4, _release, [other]).start()
    begun = time.monotonic()
    with locked(home, timeout=20, report=told, command="kesdeploy stop"):
        assert time.monotonic() - begun > 1
    assert len(told.notes) == 1
    assert f"kesdeploy up (pid {other.pid}" in told.notes[0]


def test_it_gives_up_after_its_time_and_says_who(home):
    other = _holder("kesdeploy up")
    try:
        with pytest.raises(Locked) as raised, locked(home, timeout=0.2, report=Silent(), command="x"):
            pass
    finally:
        _release(other)
    assert f"pid {other.pid}" in raised.value.because
    assert "--timeout" in raised.value.hint
    assert raised.value.exit_code == 8


def test_the_lock_ends_with_the_killed_process(home):
    other = _holder("kesdeploy up")
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with locked(home, timeout=2, report=Silent(), command="x"):
        pass


def test_who_waited_while_the_folder_was_destroyed_holds_the_lock_of_the_new_one(home):
    other = _holder("kesdeploy destroy")
    threading.Timer(0.3, _release, [other]).start()
    with locked(home, timeout=20, report=Silent(), command="kesdeploy up"):
        assert not home.state.exists()
        third = subprocess.Popen(
            [sys.executable, "-c", HOLD.replace("timeout=30", "timeout=0.1"), "third"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert "another kesdeploy command holds this deployment" in third.communicate(timeout=10)[1]


def test_many_who_come_and_destroy_never_meet(home, tmp_path):
    """Each makes the folder, holds it alone, and removes it: nobody sees another's work or an error."""
    held, met = [], []

    def one() -> None:
        for _ in range(40):
            with locked(home, timeout=30, report=Silent(), command="kesdeploy destroy"):
                met.extend(held)
                held.append(1)
                home.prepare()
                held.pop()
                home.remove()

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(one) for _ in range(6)]:
            done.result()
    assert not met
    assert not home.root.exists()


def test_a_lock_of_a_folder_that_is_gone_by_then_is_none(home, monkeypatch):
    """`destroy` between our opening of the file and our getting it: what we hold is nobody's lock any more."""
    taken = fcntl.flock

    def destroyed_first(file: int, how: int) -> None:
        monkeypatch.undo()
        monkeypatch.setenv("KESDEPLOY_HOME", str(home.root.parent))
        home.remove()
        taken(file, how)

    monkeypatch.setattr("fcntl.flock", destroyed_first)
    with (
        locked(home, timeout=2, report=Silent(), command="x"),
        pytest.raises(Locked),
        locked(home, timeout=0.1, report=Silent(), command="y"),
    ):
        pass


def test_two_threads_exclude_each_other(home):
    inside, most = [], []

    def work(_: int) -> None:
        with locked(home, timeout=10, report=Silent(), command="x"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(6)))
    assert set(most) == {1}


def test_an_error_inside_gives_it_back(home):
    with pytest.raises(ValueError, match="x"), locked(home, timeout=1, report=Silent(), command="x"):
        raise ValueError("x")
    with locked(home, timeout=0.2, report=Silent(), command="y"):
        assert (home.root / ".lock").stat().st_mode & 0o777 == 0o600


def test_a_child_does_not_inherit_it(home):
    with locked(home, timeout=1, report=Silent(), command="x"):
        child = subprocess.Popen(["sleep", "5"], close_fds=False)
    try:
        with locked(home, timeout=0.5, report=Silent(), command="y"):
            pass
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_not_writable(home):
    home.root.chmod(0o500)
    with pytest.raises(StateError), locked(home, timeout=1, report=Silent(), command="x"):
        pass


def test_the_parent_is_a_file(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KESDEPLOY_HOME", str(tmp_path / "file"))
    with pytest.raises(StateError), locked(Home.of("fs"), timeout=1, report=Silent(), command="x"):
        pass


def test_a_folder_that_cannot_be_is_nobodys_lock(monkeypatch):
    """The kernel's answer is that of a folder that was removed meanwhile; there, a second attempt helps."""
    monkeypatch.setenv("KESDEPLOY_HOME", "/proc/nowhere")
    with (
        pytest.raises(StateError, match="cannot write /proc/nowhere") as refused,
        locked(Home.of("fs"), timeout=0.2, report=Silent(), command="x"),
    ):
        pass
    assert not isinstance(refused.value, Locked)

from __future__ import annotations

import io
import threading
import time

import pytest
from screen import Tty, screen

from kesdeploy.live import Steps, elapsed
from kesdeploy.terminal import Terminal


@pytest.fixture(autouse=True)
def _a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def tty():
    return Tty()


@pytest.fixture
def steps(tty):
    return Steps(Terminal(tty))


def test_a_running_step_has_a_line_and_a_finished_one_a_mark(steps, tty):
    with steps.step("Start KES"):
        (line,) = screen(tty.getvalue())
        assert line[0] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
        assert line[1:] == " Start KES"
    assert screen(tty.getvalue()) == ["✓ Start KES"]


def test_a_step_that_raises_failed(steps, tty):
    with pytest.raises(KeyError), steps.step("Start KES"):
        raise KeyError
    assert screen(tty.getvalue()) == ["✗ Start KES"]


def test_lines_below_a_step_are_replaced_and_go_with_it(steps, tty):
    with steps.following("Pull") as show:
        show(["layer 1", "layer 2"])
        show(["layer 1 done"])
        steps.say("said")
        said, step, below = screen(tty.getvalue())
        assert (said, step[1:], below.strip()) == ("said", " Pull", "layer 1 done")
    assert screen(tty.getvalue()) == ["said", "✓ Pull"]
    show(["too late"])
    steps.say("more")
    assert screen(tty.getvalue()) == ["said", "✓ Pull", "more"]


def test_time_is_told_when_it_took_some(steps, tty):
    with steps.step("Pull"):
        time.sleep(0.12)
    assert screen(tty.getvalue()) == ["✓ Pull (0.1 s)"]


def test_the_spinner_turns_by_itself(steps, tty):
    with steps.step("Pull"):
        before = tty.getvalue()
        time.sleep(0.35)
        assert tty.getvalue().count("\033[J") >= before.count("\033[J") + 2
        assert len(screen(tty.getvalue())) == 1


def test_the_spinner_ends_with_the_last_step_and_comes_back(steps, tty):
    for _ in range(2):
        with steps.step("Pull"):
            assert [thread for thread in threading.enumerate() if thread.name == "spinner"]
        time.sleep(0.25)
        assert not [thread for thread in threading.enumerate() if thread.name == "spinner"]
    written = tty.getvalue()
    time.sleep(0.15)
    assert tty.getvalue() == written


def test_lines_stay_above_running_steps(steps, tty):
    with steps.step("Pull"):
        steps.say("• 4 images are here")
        assert screen(tty.getvalue())[0] == "• 4 images are here"
        assert len(screen(tty.getvalue())) == 2
    assert screen(tty.getvalue()) == ["• 4 images are here", "✓ Pull"]


def test_the_region_is_away_while_others_write(steps, tty):
    with steps.step("Pull"):
        with steps.aside():
            assert screen(tty.getvalue()) == []
            tty.write("data\n")
        data, pull = screen(tty.getvalue())
        assert data == "data"
        assert pull.endswith(" Pull")


def test_a_long_title_is_cut_while_it_runs_and_whole_afterwards(steps, tty):
    title = "x" * 200
    with steps.step(title):
        assert len(screen(tty.getvalue())[0]) < 80
    assert screen(tty.getvalue())[0].startswith(f"✓ {title}")


def test_more_steps_than_the_screen_has_lines(steps, tty):
    from contextlib import ExitStack

    with ExitStack() as stack:
        for number in range(60):
            stack.enter_context(steps.step(f"step {number}"))
        assert len(screen(tty.getvalue())) < 24
    assert len(screen(tty.getvalue())) == 60


@pytest.mark.parametrize("stream", [Tty, io.StringIO])
def test_many_threads_lose_and_mix_nothing(stream):
    out = stream()
    steps = Steps(Terminal(out))

    def work(number):
        for part in range(5):
            with steps.step(f"step {number}.{part}"):
                steps.say(f"line {number}.{part}")
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = screen(out.getvalue())
    done = sorted(line.partition(" (")[0] for line in lines if line.startswith("✓"))
    assert done == sorted(f"✓ step {n}.{p}" for n in range(8) for p in range(5))
    assert sorted(line for line in lines if line.startswith("line")) == sorted(
        f"line {n}.{p}" for n in range(8) for p in range(5)
    )
    assert len(lines) == 80


def test_without_a_terminal_one_line_a_finished_step():
    out = io.StringIO()
    steps = Steps(Terminal(out))
    with steps.step("Start KES"):
        assert out.getvalue() == ""
        time.sleep(0.12)
    assert out.getvalue() == "✓ Start KES\n"


def test_a_dumb_terminal_gets_no_sequences(monkeypatch, tty):
    monkeypatch.setenv("TERM", "dumb")
    steps = Steps(Terminal(tty))
    with steps.step("Start KES"):
        pass
    assert tty.getvalue() == "✓ Start KES\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (3.14, "3.1 s"), (3, "3 s"), (12.7, "12 s"), (65.0, "1 min 05 s")]
)
def test_elapsed(seconds, text):
    assert elapsed(seconds) == text

"""Programs that run in our place: what they read and write is what we would."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_IN, _OUT, _ERR = 0, 1, 2
_PIECE = 65536
_BROKEN_PIPE = 128 + signal.SIGPIPE


def on_terminal() -> bool:
    """Whether somebody types, and looks at what is said."""
    return os.isatty(_IN) and os.isatty(_OUT)


def run(argv: Sequence[str]) -> int:
    """The exit code of a one-shot container, whose output goes where ours goes.

    Once nobody reads that any more (`| head`), the engine's words about it are left out, and the code is what a shell
    shows for a program that was ended by SIGPIPE.
    """
    if os.isatty(_OUT):
        return subprocess.run(argv, check=False).returncode
    with subprocess.Popen(argv, stderr=subprocess.PIPE, bufsize=0) as process:
        assert process.stderr
        while said := process.stderr.read(_PIECE):
            if not _nobody_reads():
                os.write(_ERR, said)
    return _BROKEN_PIPE if process.returncode and _nobody_reads() else process.returncode


def _nobody_reads() -> bool:
    poll = select.poll()
    poll.register(_OUT, 0)  # a broken pipe is told without being asked for
    return any(event & select.POLLERR for _, event in poll.poll(0))

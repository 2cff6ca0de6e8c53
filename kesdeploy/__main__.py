"""`python -m kesdeploy`, and the entry point of the installed command."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    # What is imported stays: to look through all of it again and again takes 30 ms of a short command.
    gc.set_threshold(100_000)
    # Whatever others may not: what is made here can be read by its owner.
    os.umask(os.umask(0o077) & 0o077)
    # Python's own answer to Ctrl-C while the program is still being loaded is a traceback.
    signal.signal(signal.SIGINT, _nothing_begun)
    from kesdeploy.cli import main as command_line

    try:
        command_line()
    except SystemExit as end:
        with suppress(OSError):  # where nobody reads any more, or the disk is full, Python itself says so at its end
            for stream in (sys.stdout, sys.stderr):
                if stream:  # None where it was closed from the start
                    stream.flush()
            # Not by taking hundreds of modules apart: that costs 90 ms, and nothing is left to be done.
            os._exit(end.code if isinstance(end.code, int) else 0)
        raise
    except OSError as error:  # a help that finds no room; commands tell of it themselves
        os.write(2, f"error: cannot write the output\n  because: {error.strerror}\n".encode())
        os._exit(1)


def _nothing_begun(*_: object) -> None:
    os.write(2, b"error: interrupted\n  try: the same command again; nothing was begun\n")
    os._exit(130)


if __name__ == "__main__":
    main()

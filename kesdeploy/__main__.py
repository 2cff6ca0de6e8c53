"""`python -m kesdeploy`, and the entry point of the installed command."""

from __future__ import annotations

import os
import signal


def main() -> None:
    # Python's own answer to Ctrl-C while the program is still being loaded is a traceback.
    signal.signal(signal.SIGINT, _nothing_begun)
    from kesdeploy.cli import main as command_line

    command_line()


def _nothing_begun(*_: object) -> None:
    os.write(2, b"error: interrupted\n  try: the same command again; nothing was begun\n")
    os._exit(130)


if __name__ == "__main__":
    main()

"""`python -m kesdeploy.sandbox.kes server --config …`: the entry point `/kes` of the image."""

from __future__ import annotations

import sys

from kesdeploy.sandbox.kes.flags import Fatal, parse
from kesdeploy.sandbox.notice import say


def main() -> int:
    """Exit codes as the real one's: 0, 1 after `Error: …`, 2 for help."""
    try:
        flags = parse(sys.argv[1:])
        from kesdeploy.sandbox.kes.server import run

        run(flags)
    except Fatal as error:
        say(f"Error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

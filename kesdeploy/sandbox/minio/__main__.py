"""`python -m kesdeploy.sandbox.minio server /data …`: the entry point `/usr/bin/minio` of the image."""

from __future__ import annotations

import sys

from kesdeploy.sandbox.minio.errors import Fatal
from kesdeploy.sandbox.notice import say


def main() -> int:
    """Exit codes as the real one's: 0, or 1 after `FATAL …`."""
    from kesdeploy.sandbox.minio.server import run

    try:
        run(sys.argv[1:])
    except Fatal as error:
        say(f"FATAL {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

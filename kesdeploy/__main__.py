"""`python -m kesdeploy`, and the entry point of the installed command."""

from __future__ import annotations

from kesdeploy.cli import main

if __name__ == "__main__":
    main()

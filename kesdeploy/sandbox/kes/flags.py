"""`kes server …`, with the traps of the real command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from kesdeploy.sandbox.notice import say

_VALUES = ("addr", "config", "key", "cert", "auth")
_DEAD = {
    "key": "Specify the private key in the config file",
    "cert": "Specify the certificate  in the config file",
    "auth": "Specify the client certificate verification in the config file",
}
USAGE = "Usage:\n    kes server [options]\n\nOptions:\n    --addr <[ip]:port>\n    --config <file>\n    -h, --help\n"


class Fatal(Exception):
    """Ends the server with `Error: <text>` and exit code 1."""


@dataclass(frozen=True)
class Flags:
    config: str = ""
    addr: str = ""


def parse(argv: list[str]) -> Flags:
    """Read the arguments after `kes`. A bare `--auth` takes the next argument, whatever it is, as the real one does."""
    if not argv or argv[0] in ("-h", "--help"):
        _help()
    if argv[0] != "server":
        raise Fatal(f"\"{argv[0]}\" is not a kes command. See 'kes --help'")
    found, rest = _split(argv[1:])
    for name, advice in _DEAD.items():
        if found.get(name):
            say(f"WARNING: '--{name}' flag is deprecated and no longer honored. {advice}")
    if rest:
        raise Fatal("too many arguments. See 'kes server --help'")
    return Flags(found.get("config", ""), found.get("addr", ""))


def _split(args: list[str]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    rest: list[str] = []
    queue = list(args)
    while queue:
        arg = queue.pop(0)
        if not arg.startswith("-"):
            rest.append(arg)
            continue
        if arg in ("-h", "--help"):
            _help()
        name, equals, value = arg.lstrip("-").partition("=")
        known = _known(arg, name)
        found[known] = value if equals else _next(arg, queue)
    return found, rest


def _known(arg: str, name: str) -> str:
    if arg.startswith("--") and name in _VALUES:
        return name
    if arg.startswith("--"):
        raise Fatal(f"unknown flag: --{name}. See 'kes server --help'")
    raise Fatal(f"unknown shorthand flag: '{name[:1]}' in {arg}. See 'kes server --help'")


def _next(arg: str, queue: list[str]) -> str:
    if not queue:
        raise Fatal(f"flag needs an argument: {arg}. See 'kes server --help'")
    return queue.pop(0)


def _help() -> None:
    sys.stderr.write(USAGE)
    raise SystemExit(2)

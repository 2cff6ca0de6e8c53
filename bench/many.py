"""Many deployments side by side: up, list, and away again, with what they take. Stand-in images, one folder.

python bench/many.py                 # 16 of them, one after the other
python bench/many.py 8 --at-once 4
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

from contenders import KESDEPLOY, free_ports, wall

PORTS = ("s3", "console", "kes", "vault")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="kesdeploy-many-") as folder:
        env = {**os.environ, "KESDEPLOY_HOME": folder}
        names = [f"many-{os.getpid()}-{number}" for number in range(options.count)]
        ports = free_ports(len(PORTS) * len(names))
        before = _memory()
        try:
            ups = [_up(name, ports[4 * place : 4 * place + 4]) for place, name in enumerate(names)]
            _report(f"up of {len(names)}", *_timed(ups, env, options.at_once))
            states = _states(env)
            print(f"list: {states}; memory taken: {(before - _memory()) / 2**20:.1f} GiB")
            assert states == {"running": len(names)}, states
        finally:
            _report("destroy", *_timed([("destroy", "-n", name, "--yes") for name in names], env, options.at_once))
        left = _engine_holds(f"many-{os.getpid()}-") + [path.name for path in Path(folder).iterdir()]
        print(f"left: {', '.join(left) or 'nothing'}")
        assert not left, left


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=16)
    parser.add_argument("--at-once", type=int, default=1, help="commands that run side by side")
    return parser.parse_args()


def _up(name: str, ports: list[int]) -> tuple[str, ...]:
    flags = (f"--{part}-port={port}" for part, port in zip(PORTS, ports, strict=True))
    return ("up", "-n", name, "--kms", "fs", "--images", "sandbox", "--yes", *flags)


def _timed(commands: list[tuple[str, ...]], env: dict[str, str], at_once: int) -> tuple[float, list[float]]:
    begun = perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        each = list(pool.map(lambda words: wall((*KESDEPLOY, *words), env), commands))
    return perf_counter() - begun, each


def _report(what: str, whole: float, each: list[float]) -> None:
    print(f"{what}: {whole:.1f} s; each {median(each):.2f} s ({min(each):.2f} - {max(each):.2f})")


def _states(env: dict[str, str]) -> dict[str, int]:
    begun = perf_counter()
    said = subprocess.run((*KESDEPLOY, "list", "--json"), env=env, check=True, capture_output=True, text=True).stdout
    print(f"list: {perf_counter() - begun:.2f} s")
    found = [row["state"] for row in json.loads(said)["data"]["deployments"]]
    return {state: found.count(state) for state in sorted(set(found))}


def _memory() -> int:
    """Available, in KiB (proc(5))."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def _engine_holds(prefix: str) -> list[str]:
    argv = ("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", f"name={prefix}")
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()


if __name__ == "__main__":
    main()

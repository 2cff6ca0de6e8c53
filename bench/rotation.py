"""What requests feel of a rotation: slowest and 99th percentile, against the same load without one, in the same run.

usage: python bench/rotation.py [--rounds 3] [--clients 8] [--images release|sandbox]

Half of the clients write, half read; none tries again. Asserts no time: a figure is for people to judge.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING

from contenders import KESDEPLOY, Failed, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from minio import Minio

BODY = b"x" * 2000
BUCKET = "load"


@dataclass
class Requests:
    """Seconds of each, and how many failed."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def note(self, request: Callable[[], object]) -> None:
        begun = perf_counter()
        try:
            request()
        except Exception:  # noqa: BLE001 - whatever a client raises, the request failed
            self.failed += 1
        self.seconds.append(perf_counter() - begun)

    def slowest(self, share: float = 1.0) -> float:
        """Milliseconds that this share of all requests stays below."""
        return sorted(self.seconds)[max(0, round(len(self.seconds) * share) - 1)] * 1000


@dataclass(frozen=True)
class Bench:
    name: str
    folder: Path
    images: str
    clients: int

    def kesdeploy(self, command: str, *flags: str) -> str:
        env = {**os.environ, "KESDEPLOY_HOME": str(self.folder)}
        argv = (*KESDEPLOY, command, "-n", self.name, *flags)
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"kesdeploy {command} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout

    def up(self) -> None:
        ports = (f"--{part}-port={port}" for part, port in zip(("s3", "console", "kes"), free_ports(3), strict=True))
        self.kesdeploy("up", "--kms", "fs", "--images", self.images, "--yes", *ports)
        client = self._client()
        client.make_bucket(BUCKET)
        client.put_object(BUCKET, "first", io.BytesIO(BODY), len(BODY))

    def loaded(self, meanwhile: Callable[[], object]) -> Requests:
        """All requests from a second before until a second after."""
        found, over = Requests(), threading.Event()
        roles = [self._writer, self._reader] * (self.clients // 2)
        threads = [threading.Thread(target=role, args=(n, found, over)) for n, role in enumerate(roles)]
        for thread in threads:
            thread.start()
        try:
            sleep(1)
            meanwhile()
            sleep(1)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        return found

    def _writer(self, number: int, found: Requests, over: threading.Event) -> None:
        client = self._client()
        while not over.is_set():
            found.note(lambda: client.put_object(BUCKET, f"object-{number}", io.BytesIO(BODY), len(BODY)))

    def _reader(self, _: int, found: Requests, over: threading.Event) -> None:
        client = self._client()
        while not over.is_set():
            found.note(lambda: client.get_object(BUCKET, "first").read())

    def _client(self) -> Minio:
        import urllib3
        from minio import Minio

        env = json.loads(self.kesdeploy("env", "--shell", "json"))
        pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30))
        login = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        return Minio(env["AWS_ENDPOINT_URL"].removeprefix("http://"), *login, secure=False, http_client=pool)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rotations, and as long without one (default 3)")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--images", choices=("release", "sandbox"), default="release")
    parser.add_argument("--name", default=f"bench-{os.getpid()}", help="of the deployment that is created")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="kesdeploy-bench-") as folder:
        bench = Bench(options.name, Path(folder), options.images, options.clients)
        try:
            print(table(*measured(bench, options.rounds)))
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            bench.kesdeploy("destroy", "--yes")
    return 0


def measured(bench: Bench, rounds: int) -> tuple[Requests, Requests]:
    bench.up()
    lasted = 0.0

    def rotate() -> None:
        nonlocal lasted
        begun = monotonic()
        for _ in range(rounds):
            bench.kesdeploy("rotate-certs")
        lasted = monotonic() - begun

    during = bench.loaded(rotate)
    return during, bench.loaded(lambda: sleep(lasted))


def table(during: Requests, without: Requests) -> str:
    lines = ["| | requests | failed | p99, ms | slowest, ms |", "| --- | --- | --- | --- | --- |"]
    for what, found in (("while certificates are rotated", during), ("without", without)):
        figures = (f"{len(found.seconds)}", f"{found.failed}", f"{found.slowest(0.99):.0f}", f"{found.slowest():.0f}")
        lines.append(f"| {what} | {' | '.join(figures)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

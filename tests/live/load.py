"""Writers and readers that go on while something is done to their deployment. A request that fails is counted."""

from __future__ import annotations

import io
import itertools
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import urllib3
from minio.error import MinioException
from objects import client, credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commandline import Cli

BUCKET = "load"
BODY = b"x" * 2000


@dataclass
class Load:
    """Seconds of every request, and the errors of those that failed."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    written: set[str] = field(default_factory=set)

    def note(self, request: Callable[[], object], name: str = "") -> None:
        begun = time.perf_counter()
        try:
            request()
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            self.errors.append(repr(error)[:300])
        else:
            if name:
                self.written.add(name)
        self.seconds.append(time.perf_counter() - begun)


@contextmanager
def load(
    cli: Cli, *, writers: int = 4, readers: int = 4, patient: bool = False, login: tuple[str, str] | None = None
) -> Iterator[Load]:
    """Until the block ends. The clients do not retry: one lost request is one error. `patient`: as the SDK does.

    login: access key and secret key of somebody else than root.
    """
    env, found, over, numbers = credentials(cli), Load(), threading.Event(), itertools.count()
    if login:
        env |= {"AWS_ACCESS_KEY_ID": login[0], "AWS_SECRET_ACCESS_KEY": login[1]}
    client(env).make_bucket(BUCKET)
    client(env).put_object(BUCKET, "first", io.BytesIO(BODY), len(BODY))

    def write() -> None:
        s3 = client(env, patient=patient)
        while not over.is_set():
            name = f"object-{next(numbers)}"
            found.note(lambda: s3.put_object(BUCKET, name, io.BytesIO(BODY), len(BODY)), name)  # noqa: B023

    def read() -> None:
        s3 = client(env, patient=patient)
        while not over.is_set():
            found.note(lambda: _read(s3, "first"))

    threads = [threading.Thread(target=target) for target in [write] * writers + [read] * readers]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)
        yield found
        time.sleep(0.5)
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _read(s3, name: str) -> None:
    answer = s3.get_object(BUCKET, name)
    try:
        if answer.data != BODY:
            raise OSError("it came back changed")
    finally:
        answer.close()
        answer.release_conn()


def assert_readable(cli: Cli, names: set[str]) -> None:
    s3 = client(credentials(cli))
    for name in names:
        _read(s3, name)

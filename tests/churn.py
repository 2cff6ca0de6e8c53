"""Folders and files that come and go while somebody walks over them, as below a MinIO that runs."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def churning(*folders: Path) -> Iterator[None]:
    """All of it is gone again at the end."""
    over = Event()

    def churn() -> None:
        for number in count():
            if over.is_set():
                return
            for folder in folders:
                new = folder / f"churn-{number}"
                (new / "deep" / "er").mkdir(parents=True)
                (new / "deep" / "xl.meta").write_bytes(b"x")
                shutil.rmtree(new)

    thread = Thread(target=churn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

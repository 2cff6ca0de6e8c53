"""What the containers of a deployment said, in order of time. Reads only, and never locks."""

from __future__ import annotations

import heapq
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from kesdeploy import audit, explain, opening, services, topology
from kesdeploy.errors import UsageError
from kesdeploy.overview import expected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish

Line = dict[str, Any]
PARTS = {"kes": "kes-server", "minio": "minio-server", "vault": "vault"}
TAIL = 200
# Seconds in which the containers tell what they said before, so that it can be put in order.
SETTLING = 0.3
_OWN_TIME = re.compile(r"time=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z) ")


@dataclass(frozen=True)
class Which:
    """Which lines. part: of one container; tail: the last ones of each, None for all; since: Unix time, in seconds."""

    part: str = ""
    tail: int | None = TAIL
    since: int | None = None
    follow: bool = False


def lines(wish: Wish, which: Which) -> Iterator[Line]:
    """time, container, stream, text; and `explained`, what is known of the text. With `follow` as they come."""
    with _opened(wish, which.part) as deployment:
        for line in _lines(deployment, which):
            yield {**line, "explained": _explained(line["text"], deployment.name)}


def events(wish: Wish, which: Which) -> Iterator[audit.Event]:
    """What KES audits, and whom it denied something as far as it says so. `tail` counts events."""
    if which.part not in ("", "kes"):
        raise UsageError(f"{which.part} audits nothing here", hint=f"kesdeploy logs{_flag(wish)} --audit")
    with _opened(wish, "") as deployment:
        if services.elsewhere(deployment.spec):
            raise UsageError("KES is run by others here", hint="its log is where it runs")
        read = Which("kes", None, which.since, which.follow)
        found = audit.events(_lines(deployment, read), audit.people(deployment.home))
        yield from found if which.follow or which.tail is None else _last(found, which.tail)


def hidden(wish: Wish) -> tuple[str, ...]:
    """What the audit cannot show, because KES does not log it, and how to have it log that."""
    with _opened(wish, "") as deployment:
        log, up = deployment.spec.kes.log, f"kesdeploy up -n {deployment.name} --set kes.log"
        told = [
            "KES audits that keys are created, imported and deleted, and nothing else; kesdeploy status counts the rest"
        ]
        if log.audit == "off":
            told.append(f"Its audit log is off: {up}.audit=info")
        if log.error != "debug":
            told.append(f"Denied requests show only at its level debug: {up}.error=debug")
        return tuple(told)


def unusual(found: Iterable[audit.Event], name: str) -> list[dict[str, str]]:
    """What is known of the requests that were denied or failed, each text once."""
    said = [_as_logged(event) for event in found if event["result"] != "ok"]
    return [_parts(answer) for answer in explain.answers(said, name)]


def _as_logged(event: audit.Event) -> str:
    method, _, path = event["request"].partition(" ")
    return f"{event['said']} Method:{method} URL:{path}"


def _flag(wish: Wish) -> str:
    return f" -n {wish.name}" if wish.name else ""


def _last(found: Iterable[audit.Event], count: int) -> Iterator[audit.Event]:
    every = list(found)
    yield from every[len(every) - min(count, len(every)) :]


def _explained(text: str, name: str) -> list[dict[str, str]]:
    return [_parts(answer) for answer in explain.of_line(text, name)]


def _parts(answer: explain.Answer) -> dict[str, str]:
    return {"id": answer.id, "cause": answer.cause, "sure": answer.sure, "next": answer.next}


@contextmanager
def _opened(wish: Wish, part: str) -> Iterator[Deployment]:
    from kesdeploy.report import Silent

    if part and part not in PARTS:
        raise UsageError(f"no part {part!r}", because=f"there are {', '.join(PARTS)}", hint="kesdeploy logs kes")
    with opening.opened(wish, opening.existing(wish), Silent(), lock=False) as deployment:
        yield deployment


def _lines(deployment: Deployment, which: Which) -> Iterator[Line]:
    streams = [_named(deployment, name, which) for name in _there(deployment, which.part)]
    return _interleaved(streams) if which.follow else heapq.merge(*streams, key=_moment)


def _there(deployment: Deployment, part: str) -> list[str]:
    """The containers that can be read, running or not."""
    name = deployment.name
    wanted = [topology.container_name(name, PARTS[part])] if part else expected(deployment)
    if part and wanted[0] not in expected(deployment):
        raise UsageError(f"{name!r} has no {part} of its own", hint=f"kesdeploy logs -n {name}")
    there = [container for container in wanted if deployment.engine.container(container)]
    if not there:
        raise UsageError(f"no container of {name!r} is here", hint=f"kesdeploy up -n {name}")
    return there


def _named(deployment: Deployment, name: str, which: Which) -> Iterator[Line]:
    short, latest = name.removeprefix(f"{deployment.name}-").removesuffix("-server"), ""
    for line in deployment.engine.logs(name, tail=which.tail, since=which.since, follow=which.follow):
        # What a container says after something was not before it, however little its time tells.
        latest = max(latest, _precise(line.time, line.text), key=_parts_of)
        yield {"time": latest, "container": short, "stream": line.stream, "text": line.text}


def _precise(moment: str, text: str) -> str:
    """The time with the fraction that a line of KES has: Podman 4's own has whole seconds."""
    own = _OWN_TIME.match(text)
    return own[1] if own and own[1][:19] == moment[:19] else moment


def _moment(line: Line) -> tuple[str, str]:
    return _parts_of(line["time"])


def _parts_of(moment: str) -> tuple[str, str]:
    """To compare times by: engines leave the last zeros of the fraction away."""
    seconds, _, fraction = moment.partition(".")
    return seconds[:19], fraction.rstrip("Z").ljust(9, "0")


def _interleaved(streams: list[Iterator[Line]]) -> Iterator[Line]:
    """Several endless streams as one: first what was said before, in order, then lines as they come."""
    queue: SimpleQueue[Line | None] = SimpleQueue()

    def pump(stream: Iterator[Line]) -> None:
        try:
            for line in stream:
                queue.put(line)
        except Exception:  # noqa: BLE001 - the stream of a container that ends, or of a command that does
            return
        finally:
            queue.put(None)

    for stream in streams:
        Thread(target=pump, args=(stream,), daemon=True).start()
    before = _settled(queue)
    yield from sorted((line for line in before if line), key=_moment)
    ended = before.count(None)
    while ended < len(streams):
        line = queue.get()
        if line is None:
            ended += 1
        else:
            yield line


def _settled(queue: SimpleQueue[Line | None]) -> list[Line | None]:
    found, deadline = [], time.monotonic() + SETTLING
    while (left := deadline - time.monotonic()) > 0:
        try:
            found.append(queue.get(timeout=left))
        except Empty:
            break
    return found

"""Whether the registries that images come from answer here. Side by side, and never for longer than a few seconds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from kesdeploy.catalogue import catalogue
from kesdeploy.doctor.finding import Finding, Verdict, passed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NAME = "registries"
SECONDS = 4.0
_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}
# 401 asks for a login, which public images are given without one.
_ALIVE = range(200, 500)


def hosts() -> tuple[str, ...]:
    """The registries that the catalogue names first."""
    found = (source.reference.partition("/")[0] for component in catalogue().values() for source in component.sources)
    return tuple(dict.fromkeys(host for host in found if "." in host))


def examine_registries(wanted: Iterable[str] | None = None, seconds: float = SECONDS) -> Finding:
    """One finding for all: a single one that answers may do, and none is needed for images that are here already."""
    asked = tuple(hosts() if wanted is None else wanted)
    return _judged(_answers(asked, seconds))


def _answers(asked: tuple[str, ...], seconds: float) -> dict[str, str]:
    """What each says; an empty text is an answer. Name servers know no deadline, so the threads are left behind."""
    pool = ThreadPoolExecutor(max(len(asked), 1))
    running = {host: pool.submit(_ask, host, seconds / 2) for host in asked}
    wait(running.values(), timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    silent = f"said nothing within {seconds:.0f} s"
    return {host: future.result() if future.done() else silent for host, future in running.items()}


def _ask(host: str, seconds: float) -> str:
    """Why a registry does not answer, through the proxy that the environment names, as the engines do."""
    import requests

    scheme = "http" if host.startswith("127.0.0.1:") else "https"
    url = f"{scheme}://{_DOCKER_HUB.get(host, host)}/v2/"
    began = time.monotonic()
    try:
        status = requests.head(url, timeout=seconds, allow_redirects=False).status_code
    except requests.RequestException as error:
        return _why(error, time.monotonic() - began)
    return "" if status in _ALIVE else f"HTTP {status}"


def _why(error: Exception, seconds: float) -> str:
    from kesdeploy.clients import cause

    text = cause(error)
    if "NameResolution" in text or "resolve" in text or "Name or service" in text or "Temporary failure" in text:
        return "no such name is known here"
    return f"time-out after {seconds:.0f} s" if "timed out" in text or text == "time-out" else text[:120]


def _judged(answers: Mapping[str, str]) -> Finding:
    if not answers:
        return passed(NAME, "none is asked")
    by_answer = {why: [host for host, said in answers.items() if said == why] for why in answers.values()}
    told = "; ".join(f"{', '.join(asked)}: {why or 'answers'}" for why, asked in by_answer.items())
    if not any(answers.values()):
        return passed(NAME, told)
    fix = "nothing while `kesdeploy images list` has all; else: kesdeploy images load FILE, or up --images sandbox"
    return Finding(NAME, Verdict.WARN, told, fix)

"""How an engine says no, and what its library, requests and urllib3 raise, in those words."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kesdeploy.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARIES = ("podman", "docker")


class Refused(EngineError):
    """The engine answered, and the answer was no. `status` is the HTTP status."""

    def __init__(self, what: str, *, because: str = "", hint: str = "", status: int = 0) -> None:
        super().__init__(what, because=because, hint=hint)
        self.status = status


class TimedOut(EngineError):
    """The engine did not answer in time. It carries on: what was asked may still happen."""


class NotListening(EngineError):
    """The request was not sent, because nobody accepts connections."""


class Broken(EngineError):
    """The service went away with the request in its hands."""


def words(body: str) -> str:
    """The message in an error's body: `{"cause", "message"}`, `{"Errs": […]}` (pods), or plain text."""
    try:
        found = json.loads(body)
    except ValueError:
        return body.strip()[:600]
    if not isinstance(found, dict):
        return str(found)
    if errors := found.get("Errs"):
        return "; ".join(str(error) for error in errors if error)
    return str(found.get("message") or found.get("cause") or found.get("error") or body)


@contextmanager
def translated(what: str, who: str = "Podman") -> Iterator[None]:
    """Whatever the engine's library, requests, urllib3 and json raise, as an EngineError."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        theirs = type(error).__module__.partition(".")[0] in _LIBRARIES
        if theirs or isinstance(error, RequestException | HTTPError | OSError | ValueError):
            raise _translation(what, error, who) from error
        raise


def _translation(what: str, error: Exception, who: str) -> EngineError:
    from requests import Timeout
    from urllib3.exceptions import ReadTimeoutError

    response = getattr(error, "response", None)
    if response is not None:  # requests' responses are false when they are errors
        return Refused(what, because=words(response.text), status=response.status_code)
    chain = list(_chain(error))
    doctor = "kesdeploy doctor" + (f" --engine {who.lower()}" if who != "Podman" else "")
    if any(isinstance(link, TimeoutError | Timeout | ReadTimeoutError) for link in chain):
        return TimedOut(what, because=f"{who} did not answer in time", hint=doctor)
    if any(isinstance(link, PermissionError) for link in chain):
        return EngineError(what, because=f"no right to use {who}'s socket", hint=doctor)
    if any(isinstance(link, ConnectionRefusedError | FileNotFoundError) for link in chain):
        return NotListening(what, because=f"{who}'s service does not answer", hint=doctor)
    if any(isinstance(link, ConnectionError) for link in chain):
        because = f"{who}'s service ended while it worked on this"
        return Broken(what, because=because, hint="run the same command again: it continues where it stopped")
    return EngineError(what, because=str(getattr(error, "explanation", None) or error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it hides in its arguments (urllib3 does), and what caused it."""
    seen: list[BaseException] = []
    todo = [error]
    while todo:
        link = todo.pop()
        if isinstance(link, BaseException) and link not in seen:
            seen.append(link)
            yield link
            todo += [link.__cause__, link.__context__, *(arg for arg in link.args if isinstance(arg, BaseException))]

"""Everything that can go wrong, as one tree. The exit code of each branch is part of the contract.

KesdeployError 1              a bug of ours, or nothing more precise
├── UsageError 2              the command line or the spec is wrong
│   └── SpecError 2           …with every problem of a spec at once, each with its path
├── EngineError 3             Podman or Docker: missing, no rights, refused
│   └── PortTaken 3           another process holds a port that we were asked to publish
├── ImageError 4              an image is not here and cannot be pulled
├── CertificateError 5        a certificate is wrong, or not the one that is served
├── ServiceError 6            KES, MinIO or Vault answered, and the answer was no
├── Unhealthy 7               everything was done, and a check failed
├── StateError 8              the deployment's own records: locked, too new, corrupt
│   └── Locked 8
├── DataProtected 9           refused, because data or keys would be lost
└── Interrupted 130           Ctrl-C
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the next thing to type."""

    code: str
    message: str
    hint: str = ""


class KesdeployError(Exception):
    """What went wrong, because of what, and what to try. Never holds a secret.

    what: one sentence for the user.
    because: the cause in the words of whoever refused (a server, the engine, the kernel).
    hint: the next command or change, complete enough to type.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "internal"

    def __init__(self, what: str, *, because: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.because = because
        self.hint = hint

    @property
    def problems(self) -> tuple[Problem, ...]:
        """This error as the `problems` of `--json`."""
        text = f"{self.what}: {self.because}" if self.because else self.what
        return (Problem(self.code, text, self.hint),)


class UsageError(KesdeployError):
    exit_code = 2
    code = "usage"


class SpecError(UsageError):
    """Every problem of a spec at once. `found` holds one Problem a path."""

    code = "spec"

    def __init__(self, what: str, *, found: tuple[Problem, ...], hint: str = "") -> None:
        super().__init__(what, because="; ".join(p.message for p in found), hint=hint)
        self.found = found

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Those that were found; who says nothing of its own of what to do has the whole's next step."""
        return tuple(replace(problem, hint=problem.hint or self.hint) for problem in self.found)


class EngineError(KesdeployError):
    exit_code = 3
    code = "engine"


class PortTaken(EngineError):
    code = "port-taken"


class ImageError(KesdeployError):
    exit_code = 4
    code = "image"


class CertificateError(KesdeployError):
    exit_code = 5
    code = "certificate"


class ServiceError(KesdeployError):
    """A service refused. `status` is its HTTP status, 0 when it did not answer at all."""

    exit_code = 6
    code = "service"

    def __init__(self, what: str, *, because: str = "", hint: str = "", status: int = 0) -> None:
        super().__init__(what, because=because, hint=hint)
        self.status = status


class Unhealthy(KesdeployError):
    exit_code = 7
    code = "unhealthy"


class StateError(KesdeployError):
    exit_code = 8
    code = "state"


class Locked(StateError):
    code = "locked"


class DataProtected(KesdeployError):
    exit_code = 9
    code = "data-protected"


class Interrupted(KesdeployError):
    exit_code = 130
    code = "interrupted"


def in_words(error: Exception) -> str:
    """Why a file could not be read or written, without Python's own words for it."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    return getattr(error, "strerror", None) or str(error)

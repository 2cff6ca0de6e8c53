"""A Podman API to talk to when none listens: a service, or a tunnel, of our own for the time of one command."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from kesdeploy.errors import EngineError

IDLE_SECONDS = 30
_START_SECONDS = 15.0
_PREFIX = "kesdeploy-podman-"
# What held a user's containers together was killed; Podman says the same of it to every command.
_MIGRATE = "podman system migrate (once more when it complains), then the same command"
# Where the PATH of cron, and of users on Debian, does not lead.
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_LONGEST_SOCKET = 100  # sun_path holds 108 bytes (unix(7))


def listens(path: str) -> bool:
    """Whether somebody accepts connections on the Unix socket; a file that a dead service left behind does not count.

    Raises PermissionError when it may not be asked.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(path)
        except PermissionError:
            raise
        except OSError:
            return False
    return True


class Companion:
    """A process that serves a private Unix socket; it ends with `close`, and by itself when we are killed.

    cwd: the folder it runs in; None for ours.
    """

    cwd: str | None = None

    def __init__(self) -> None:
        self.folder = _private_folder()
        self.socket = self.folder / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def argv(self) -> tuple[str, ...]:
        """The program that serves `socket`."""
        raise NotImplementedError

    def environment(self) -> dict[str, str] | None:
        """None: ours."""
        return None

    def by_hand(self) -> str:
        """What shows the same to somebody who looks for the reason."""
        return "podman info"

    def ensure(self, *, suspect: bool = False) -> None:
        """Start it, or start it again when it is gone (idle for too long, or killed).

        One that is being killed still accepts connections: a `suspect` gets a moment to end.
        """
        if self._process and not self._ended(0.3 if suspect else 0) and listens(str(self.socket)):
            return
        self._stop()
        # Another command may have swept it away as a left-over, while our service was idle and gone.
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.socket.unlink(missing_ok=True)
        with (self.folder / "log").open("wb") as log:
            self._process = self._spawn(log)
        # Slow to import, and wanted next: while the service starts, it costs nothing.
        import podman  # noqa: F401

        self._await(self._process)

    def _ended(self, within: float) -> bool:
        try:
            return bool(self._process and self._process.wait(within) is not None)
        except subprocess.TimeoutExpired:
            return False

    def close(self) -> None:
        self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C is for us, and must not tear a request that is under way.
        return subprocess.Popen(
            self.argv(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=self.cwd,
            env=self.environment(),
            start_new_session=True,
        )

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not listens(str(self.socket)):
            if process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "log").read_text(errors="replace").strip()
                self.close()
                raise EngineError(
                    "Podman's service could not be started",
                    because=_complaint(words) or f"{self.argv()[0]} said nothing within {_START_SECONDS:.0f} s",
                    hint=_MIGRATE if "podman system migrate" in words else self.by_hand(),
                )
            time.sleep(0.003)

    def _stop(self) -> None:
        if self._process is None:
            return
        if self._process.stdin:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # without root Podman is two processes
            self._process.wait(5)
        self._process = None


class OwnService(Companion):
    """`podman system service`, 31 ms from start to first answer.

    Who watches over a container stays in that folder, and cannot start it again once it is gone.
    """

    cwd = "/"

    def environment(self) -> dict[str, str]:
        """Podman's network needs programs of root's."""
        return {**os.environ, "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM))}

    def argv(self) -> tuple[str, ...]:
        return ("podman", "system", "service", f"--time={IDLE_SECONDS}", self.url)


class Tunnel(Companion):
    """ssh to a Podman elsewhere (or to the virtual machine of `podman machine`).

    podman-py has a tunnel too, but it never checks the host's key. The remote `cat` ends when our end of its input is
    closed: so the tunnel never outlives us.
    """

    def __init__(self, url: str, identity: str = "") -> None:
        super().__init__()
        self._url = urlsplit(url)
        self._identity = identity

    def argv(self) -> tuple[str, ...]:
        forward = f"{self.socket}:{self._url.path}"
        options = ["-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-L", forward, *self._options()]
        return ("ssh", *options, self._login, "cat")

    def by_hand(self) -> str:
        return shlex.join(("ssh", *self._options(), self._login, "podman", "info"))

    @property
    def _login(self) -> str:
        return f"{self._url.username}@{self._url.hostname}" if self._url.username else str(self._url.hostname)

    def _options(self) -> list[str]:
        options = []
        if self._url.port:
            options += ["-p", str(self._url.port)]
        if self._identity:
            options += ["-i", self._identity]
        if self._url.hostname in ("localhost", "127.0.0.1"):  # a machine's key changes each time it is made anew
            options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        return options


def _complaint(words: str) -> str:
    """What a program's log ends with; of Podman's own (logrus), its errors, for each start also warns."""
    errors = [
        line.partition(" msg=")[2] for line in words.splitlines() if "level=error" in line or "level=fatal" in line
    ]
    return "; ".join(error.strip('"').replace('\\"', '"') for error in errors)[-600:] or words[-600:]


def _private_folder() -> Path:
    """A new 0700 folder. Those that killed commands left behind go."""
    for root in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp below
        if root and len(root) + len(_PREFIX) + 12 < _LONGEST_SOCKET and os.access(root, os.W_OK):
            _sweep(Path(root))
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    because = "XDG_RUNTIME_DIR and /tmp are not writable or too long"
    raise EngineError("No folder for a socket", because=because, hint="export XDG_RUNTIME_DIR=/a/short/folder/of/yours")


def _sweep(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            known = folder.lstat()
            stale = known.st_uid == os.geteuid() and time.time() - known.st_mtime > 2 * IDLE_SECONDS
            if stale and not listens(str(folder / "s")):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue

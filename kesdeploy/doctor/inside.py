"""What a container of the trial looks at from inside, and what its words mean (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.doctor.finding import Finding, Remedy, Verdict, failed, passed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.doctor.machine import Machine

MOUNTS, USERS, MEMORY, FILES = "folders can be mounted", "whose files", "memory can be locked", "open files"
NAMES, TIME = "names inside a pod", "the containers' clock"
GREETING, HELLO = b"kesdeploy", b"hello from the doctor"
READ_ONLY, WRITABLE, DATA = "/given", "/written", "/data"
# Modules that need no further file: `_socket` alone, for `socket` would want a third of the standard library.
SERVER = f"""
import _signal, _socket, posix
_signal.signal(15, lambda *_: posix._exit(0))
server = _socket.socket(2, 1, 0)
server.bind(("0.0.0.0", 80))
server.listen(8)
while True:
    client = _socket.socket(fileno=server._accept()[0])
    client.send({GREETING!r})
    client.close()
"""
# A line for each look: its name, and what was seen, or `!` and why nothing could be.
LOOK = f"""
import posix, time, _socket
def look(name, what, *given):
    try:
        seen = what(*given)
    except Exception as error:
        seen = "! " + str(error)
    posix.write(1, (name + "=" + " ".join(str(seen).split()) + "\\n").encode())
def read(path):
    return posix.read(posix.open(path, posix.O_RDONLY), 65536).decode()
def write(path):
    posix.write(posix.open(path, posix.O_WRONLY | posix.O_CREAT, 0o600), {HELLO!r})
    return "written"
def called(name):
    client = _socket.socket(2, 1, 0)
    client.settimeout(3)
    client.connect((_socket.getaddrinfo(name.encode(), 80, 2, 1)[0][4][0], 80))
    return client.recv(100).decode()
def line(path, first):
    return next(line for line in read(path).splitlines() if line.startswith(first))[len(first):]
def lock(name, *given):
    import _ctypes
    return _ctypes.call_function(_ctypes.dlsym(_ctypes.dlopen("libc.so.6", 2), name), given)
look("time", time.time)
look("read", read, "{READ_ONLY}/hello")
look("refused", write, "{READ_ONLY}/new")
look("write", write, "{WRITABLE}/new")
look("data", write, "{DATA}/new")
look("uid_map", read, "/proc/self/uid_map")
look("name", called, "SERVER")
look("files", line, "/proc/self/limits", "Max open files")
look("memlock", line, "/proc/self/limits", "Max locked memory")
look("capabilities", line, "/proc/self/status", "CapEff:")
look("swaps", read, "/proc/swaps")
look("lock some", lock, "mlock", b"x" * 65536, 65536)
look("lock all", lock, "mlockall", 3)
"""
_IPC_LOCK = 1 << 14
_FEW_FILES = 4096
_SLACK_SECONDS, _FAR_SECONDS = 2.0, 3600.0


@dataclass(frozen=True)
class Around:
    """What is known outside: when the look began and ended (Unix time), and what of it is on this machine's disk.

    folder: where deployments are to lie. owners: user ids that the new files have here, by mount. selinux: enforcing.
    """

    began: float
    ended: float
    folder: str
    owners: Mapping[str, int]
    ours: int
    private: bool
    selinux: bool


def words(lines: list[str]) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in lines if "=" in line)


def judged(seen: Mapping[str, str], around: Around, machine: Machine) -> tuple[Finding, ...]:
    """Every finding that the looks of one container lead to."""
    return (
        _mounts(seen, around, machine),
        _users(seen, around),
        _memory(seen),
        _files(seen),
        _names(seen),
        _clock(seen, around),
    )


def _failure(seen: Mapping[str, str], name: str) -> str:
    found = seen.get(name, "! nothing was seen")
    return found[2:] if found.startswith("! ") else ""


def _mounts(seen: Mapping[str, str], around: Around, machine: Machine) -> Finding:
    wrong = {name: why for name in ("read", "write", "data") if (why := _failure(seen, name))}
    if wrong:
        told = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        return failed(MOUNTS, f"{around.folder}: {told}", _mount_remedy(wrong, around, machine))
    if seen.get("read") != HELLO.decode():
        return failed(MOUNTS, f"{around.folder}: another file was seen than the one that is there", _elsewhere())
    if not _failure(seen, "refused"):
        return failed(MOUNTS, "what was mounted read-only could be written", Remedy("update the engine"))
    if not around.private:
        fix = "export KESDEPLOY_HOME=DIR on a disk that keeps Unix rights (ext4, xfs, btrfs, APFS)"
        return failed(MOUNTS, f"{around.folder} keeps no rights: a file of mode 0600 has another one", Remedy(fix))
    label = ", SELinux labels are set" if around.selinux else ""
    return passed(MOUNTS, f"{around.folder}: read, written, and read-only is refused{label}")


def _mount_remedy(wrong: Mapping[str, str], around: Around, machine: Machine) -> Remedy:
    if around.selinux and any("ermission denied" in why for why in wrong.values()):
        return Remedy(f"{machine.sudo}chcon -R -t container_file_t {around.folder}/minio-kes-*", "restorecon -R -F …")
    return Remedy(f"ls -ldZ {around.folder}; export KESDEPLOY_HOME=DIR for a folder that containers may use")


def _elsewhere() -> Remedy:
    return Remedy("export KESDEPLOY_HOME=DIR for a folder that the engine's machine shares")


def _users(seen: Mapping[str, str], around: Around) -> Finding:
    inside, outside, count = ([*seen.get("uid_map", "").split(), "0", "0", "0"])[:3]
    mapped = "as they are here" if inside == outside else f"{inside} inside is {outside} here, {count} of them"
    strange = {mount: owner for mount, owner in around.owners.items() if owner != around.ours}
    if strange:
        evidence = f"{mapped}; what a container writes belongs to user {next(iter(strange.values()))}, not to you"
        return Finding(USERS, Verdict.WARN, evidence, "nothing, unless you want to read those files yourself")
    return passed(USERS, f"{mapped}; what a container writes belongs to you")


def _memory(seen: Mapping[str, str]) -> Finding:
    """Never a reason to fail: it keeps keys out of the swap, where there is one."""
    some, every = (seen.get(name, "") for name in ("lock some", "lock all"))
    granted = "IPC_LOCK is granted" if _capable(seen) else "no IPC_LOCK"
    about = f"limit {_mebibytes(seen.get('memlock', ''))}, {granted}"
    swaps = len(seen.get("swaps", "").split("/")) > 1
    if every == "0":
        return passed(MEMORY, f"all of it ({about})")
    what = "a little" if some == "0" else "none" if some == "-1" else "it could not be tried"
    if not swaps:
        return passed(MEMORY, f"{what} ({about}); there is no swap that keys could get into")
    fix = "encrypt the swap, or: swapoff -a"
    return Finding(MEMORY, Verdict.WARN, f"{what} ({about}): keys in memory can get into the swap", fix)


def _mebibytes(limits: str) -> str:
    soft = (limits.split() or ["unknown"])[0]
    return f"{int(soft) / 2**20:.0f} MiB" if soft.isdigit() else soft


def _capable(seen: Mapping[str, str]) -> bool:
    try:
        return bool(int(seen.get("capabilities", "0"), 16) & _IPC_LOCK)
    except ValueError:
        return False


def _files(seen: Mapping[str, str]) -> Finding:
    soft = seen.get("files", "").split()[:1]
    if not soft or not soft[0].isdigit():
        return passed(FILES, f"a container may open {soft[0] if soft else 'any number of'} files")
    evidence = f"a container may open {soft[0]} files"
    if int(soft[0]) >= _FEW_FILES:
        return passed(FILES, evidence)
    fix = 'default_ulimits = ["nofile=65536:65536"] in containers.conf, section [containers]'
    return Finding(FILES, Verdict.WARN, f"{evidence}; MinIO wants {_FEW_FILES} and more under load", fix)


def _names(seen: Mapping[str, str]) -> Finding:
    if why := _failure(seen, "name"):
        fix = "kesdeploy up works by names in /etc/hosts: look at base_hosts_file and no_hosts in containers.conf"
        return failed(NAMES, f"one container does not find another by its name: {why}", Remedy(fix))
    return passed(NAMES, "one container finds another by its name, and is answered")


def _clock(seen: Mapping[str, str], around: Around) -> Finding:
    try:
        there = float(seen.get("time", ""))
    except ValueError:
        return Finding(TIME, Verdict.WARN, "it could not be read")
    late = max(around.began - there, 0.0) or min(around.ended - there, 0.0)
    if abs(late) <= _SLACK_SECONDS:
        return passed(TIME, "is this machine's")
    evidence = f"is {abs(late):.0f} s {'behind' if late > 0 else 'ahead of'} this machine's"
    fix = "podman machine stop && podman machine start (it lags after a laptop has slept)"
    verdict = Verdict.FAIL if abs(late) >= _FAR_SECONDS else Verdict.WARN
    return Finding(TIME, verdict, f"{evidence}: certificates may not be valid yet, or not any more", fix)

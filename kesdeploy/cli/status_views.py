"""How `status` looks to people: one table, and what is known beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kesdeploy.blocks import Block, Item, Table
from kesdeploy.cli.views import SANDBOX, console_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Data = dict[str, Any]
_STEPS = ((86400, "days"), (3600, "h"), (60, "min"), (1, "s"))
_TWO = 2  # of a unit: below, the next smaller one says more


def status(data: Data) -> Iterable[Block]:
    if data["sandbox"]:
        yield Item("warn", SANDBOX)
    rows = [(p["part"], _state(p), _image(p), uptime(p["uptime_seconds"]), p["address"]) for p in data["containers"]]
    yield Table(("part", "state", "image", "uptime", "address"), rows)
    yield Table((), list(_facts(data)))


def _facts(data: Data) -> Iterator[tuple[str, str]]:
    yield "Engine", f"{data['engine']['name']} {data['engine']['version']} ({data['engine']['reason']})"
    yield "Keystore", f"{data['keystore']['kind']}: {data['keystore']['state']}{_took(data['latency']['keystore_ms'])}"
    yield "KMS", f"{data['kms']}{_took(data['latency']['kms_ms'])}"
    yield "Auto-encryption", "on" if data["auto_encryption"] else "off"
    yield "Certificates", ", ".join(map(_certificate, data["certificates"]))
    for who, title in (("kes", "KES served"), ("minio", "MinIO asked")):
        if traffic := data["traffic"][who]:
            yield title, _traffic(traffic)
    yield from console_row(data["endpoints"])


def _state(part: Data) -> str:
    again = f", restarted {part['restarts']} times" if part["restarts"] else ""
    return f"{part['state']}{again}"


def _image(part: Data) -> str:
    """What tells it apart: the tag of the publisher's own, name and tag of any other."""
    image = part["image"].partition("@")[0]
    if image.startswith("sha256:"):
        return str(image[:19])
    if "/kesdeploy-sandbox/" in image:
        return "stand-in"
    host, _, path = image.partition("/")
    short = path if path and ("." in host or ":" in host or host == "localhost") else image
    return str(short.removeprefix(f"minio/{part['part']}:"))


def uptime(seconds: int | None) -> str:
    """`45 s`, `12 min`, `30 h`, `3 days`; nothing for what does not run."""
    if seconds is None:
        return ""
    size, unit = next(((size, unit) for size, unit in _STEPS if seconds >= size * _TWO), _STEPS[-1])
    return f"{seconds // size} {unit}"


def _took(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f" ({_ms(milliseconds)})"


def _ms(milliseconds: float) -> str:
    """Two digits are what a person reads."""
    return f"{milliseconds:.2g} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"  # noqa: PLR2004


def _certificate(each: Data) -> str:
    lasts = f"{each['days_left']} days" if each["days_left"] >= 0 else "EXPIRED"
    return f"{each['name']} {lasts}{' (yours)' if each['yours'] else ''}"


def _traffic(found: Data) -> str:
    rate = f"{found['per_second']:g}/s; " if found["per_second"] is not None else ""
    mean = f", {_ms(found['mean_ms'])} each" if found["mean_ms"] is not None else ""
    most = f", 99 % in {_ms(found['most_ms'])}" if found["most_ms"] is not None else ""
    wrong = f"{_counted(found['errors'], 'error')}, {_counted(found['failures'], 'failure')}"
    return f"{rate}{_counted(found['requests'], 'request')} ({wrong}){mean or most}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

"""The two logs: errors on stderr, audit on stdout, in the text format of Go's slog."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from kesdeploy.sandbox.kes.config import DEBUG, ERROR, INFO, WARN
from kesdeploy.sandbox.notice import out, say

if TYPE_CHECKING:
    from kesdeploy.sandbox.kes.answers import Call

_NAMES = {DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN", ERROR: "ERROR"}
_PLAIN = re.compile(r'[^\s"=]+')


@dataclass
class Log:
    """`level` and `audit_level` are slog's numbers: lines below are dropped."""

    level: int = INFO
    audit_level: int = INFO

    def debug(self, text: str) -> None:
        self._write(DEBUG, text)

    def info(self, text: str) -> None:
        self._write(INFO, text)

    def warn(self, text: str) -> None:
        self._write(WARN, text)

    def error(self, text: str, call: Call | None = None) -> None:
        self._write(ERROR, text, _request(call) if call else {})

    def audit(self, text: str, call: Call, status: int) -> None:
        if self.audit_level <= INFO:
            extra = _request(call) | {"res.code": str(status)}
            out(_line(INFO, text, extra))

    def _write(self, level: int, text: str, extra: dict[str, str] | None = None) -> None:
        if self.level <= level:
            say(_line(level, text, extra or {}))


def level(number: int) -> str:
    """The name of a level, as `INFO` or `ERROR+1`."""
    base = max((n for n in _NAMES if n <= number), default=DEBUG)
    return _NAMES[base] + (f"{number - base:+d}" if number != base else "")


def _request(call: Call) -> dict[str, str]:
    request = call.request
    who = call.identity or "<unknown>"
    ip = request.client.removeprefix("::ffff:")
    return {"req.method": request.method, "req.path": request.path, "req.ip": ip, "req.identity": who}


def _line(level: int, text: str, extra: dict[str, str]) -> str:
    now = datetime.fromtimestamp(time.time()).astimezone().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"time": now, "level": _NAMES[level], "msg": text, **extra}
    return " ".join(f"{k}={_quoted(v)}" for k, v in fields.items())


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False)

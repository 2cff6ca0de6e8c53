"""KES's audit log and its denials, as events.

KES 2025-03-12 audits the creation, import and deletion of keys (`audit.go`, `server.go`), on standard output. A denied
request leaves a line at the level DEBUG (`auth.go`): method, path, peer and policy, and never the identity.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypedDict

from kesdeploy import identities

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kesdeploy.home import Home

_SAID: Final = r'msg="(?P<said>(?:[^"\\]|\\.)*)"'
_REQUEST: Final = (
    r"req\.method=(?P<method>\S+) req\.path=(?P<path>\S+) req\.ip=(?P<peer>\S+) req\.identity=(?P<identity>\S*)"
)
_AUDITED: Final = re.compile(rf"level=INFO {_SAID} {_REQUEST} res\.code=(?P<code>\d+)")
_FAILED: Final = re.compile(rf"level=ERROR {_SAID} {_REQUEST}")
_DENIED: Final = re.compile(
    r'level=DEBUG msg="(?P<said>access denied: [^"]*|tls: [^"]*certificate[^"]*)" '
    r'req="&\{Method:(?P<method>\S+) URL:(?P<path>\S+) .*?RemoteAddr:(?P<peer>\S+)'
)
_POLICY: Final = re.compile(r"rejected by policy '([^']*)'")
_SHORT: Final = 12


class Event(TypedDict):
    """One request. `who` is a name where we know one; `identity` is empty where KES does not tell it."""

    time: str
    who: str
    identity: str
    operation: str
    key: str
    result: str
    peer: str
    request: str
    said: str


def people(home: Home) -> Mapping[str, str]:
    """Names by identity: the policy that KES's configuration has it in, admin, or that it was ours once."""
    import yaml

    try:
        found: Any = yaml.safe_load(home.read("config/kes/kes-config.yaml") or b"") or {}
    except yaml.YAMLError:
        found = {}
    former = dict.fromkeys(identities.ours(home), "one of ours, renewed since")
    admin = {str((found.get("admin") or {}).get("identity")): "admin"}
    policies = (found.get("policy") or {}).items()
    named = {str(one): name for name, body in policies for one in (body or {}).get("identities") or ()}
    return {**former, **admin, **named}


def events(lines: Iterable[Mapping[str, Any]], people: Mapping[str, str]) -> Iterator[Event]:
    """Those of KES's lines that tell of a request."""
    for line in lines:
        if event := _event(line["time"], line["text"], people):
            yield event


def _event(time: str, text: str, people: Mapping[str, str]) -> Event | None:
    if match := _AUDITED.search(text):
        result = "ok" if match["code"] == "200" else f"HTTP {match['code']}"
        return _told(time, match, _name(match["identity"], people), result)
    if match := _FAILED.search(text):
        return _told(time, match, _name(match["identity"], people), "failed")
    if match := _DENIED.search(text):
        policy = _POLICY.search(match["said"])
        return _told(time, match, f"{policy[1]} (by its policy)" if policy else "nobody that KES knows", "denied")
    return None


def _told(time: str, match: re.Match[str], who: str, result: str) -> Event:
    operation, key = _asked(match["path"])
    identity = match.groupdict().get("identity") or ""
    return Event(
        time=time,
        who=who,
        identity=identity,
        operation=operation,
        key=key,
        result=result,
        peer=match["peer"],
        request=f"{match['method']} {match['path']}",
        said=match["said"],
    )


def _name(identity: str, people: Mapping[str, str]) -> str:
    return people.get(identity) or (f"{identity[:_SHORT]}…" if identity else "nobody")


def _asked(path: str) -> tuple[str, str]:
    """`create`, `k1` of /v1/key/create/k1; `status` of /v1/status."""
    parts = path.strip('"').partition("?")[0].strip("/").split("/")[1:]
    kind, *rest = parts or [""]
    if kind != "key" or not rest:
        return " ".join(parts) or path, ""
    return rest[0], "/".join(rest[1:])

"""How results look to people: data in, blocks of text out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from kesdeploy.blocks import Block, Item, Lines, Table, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kesdeploy.terminal import Mark

Data = dict[str, Any]
IMPORTED: Final[Sequence[tuple[str, Mark, str]]] = (
    ("broken", "failed", "Does not work as it stands"),
    ("changed", "note", "Done otherwise by kesdeploy"),
    ("open", "warn", "For you to say"),
)
RENEWED: Final = {
    "kes": "MinIO's identity in KES",
    "operator": "kesdeploy's identity in KES",
    "root-password": "MinIO's root password",
    "vault": "KES's login to Vault",
}
SANDBOX = "SANDBOX: kesdeploy's own stand-ins run here, not the real KES and MinIO. For trying things out only."


def up(data: Data) -> Iterable[Block]:
    if not data["changes"]:
        yield Item("ok", f"{data['deployment']}: nothing to change ({data['unchanged']} parts as they should be)")
    yield from _checks(data["checks"], quiet=True)
    if data["sandbox"]:
        yield Item("warn", SANDBOX)
    ends = data["endpoints"]
    yield Table(
        (),
        (
            ("S3", ends["s3"]),
            *console_row(ends),
            ("KES", ends["kes"]),
            ("User", data["user"]),
            ("Password", f"in {data['password_file']}"),
            ("Use it", f'eval "$(kesdeploy env -n {data["deployment"]})"'),
            ("Keep safe", f"{data['folder']}/ ({', '.join(data['keep'])})"),
        ),
    )
    yield Text("Whoever loses those folders loses every encrypted object; whoever has them can read all of them.")


def console_row(endpoints: Data) -> Iterator[tuple[str, str]]:
    """No row where the spec turns it off."""
    if endpoints["console"]:
        yield "Console", endpoints["console"]


def _checks(checks: list[Data], *, quiet: bool) -> Iterator[Block]:
    """Every check; `quiet`: one line while all are well."""
    if quiet and all(check["ok"] for check in checks):
        yield Item("ok", f"proven: {checks[-1]['evidence']}" if checks else "proven")
        return
    for check in checks:
        yield Item(
            "ok" if check["ok"] else "failed",
            f"{check['name']}: {check['evidence']}",
            [f"try: {check['hint']}"] if check["hint"] else [],
        )


def proven(checks: list[Data]) -> Iterator[Block]:
    """The proof in a line, or what of it failed."""
    return _checks(checks, quiet=True)


def checked(data: Data) -> Iterable[Block]:
    yield from _checks(data["checks"], quiet=False)


def planned(data: Data) -> Iterable[Block]:
    if not data["changes"]:
        yield Item("ok", f"{data['deployment']}: nothing to change")
        return
    yield Table(("do", "what", "because"), [(c["verb"], c["address"], c["reason"]) for c in data["changes"]])
    yield Text(f"{len(data['changes'])} to change, {data['unchanged']} as they should be. Nothing was touched.")


def _lasts(days: int) -> str:
    return f"{days} days left" if days >= 0 else "EXPIRED"


def listed(data: Data) -> Iterable[Block]:
    if not data["deployments"]:
        yield Text("No deployment here. kesdeploy up --kms fs makes one.")
        return
    rows = [(d["name"], d["state"], d["keystore"], d["engine"], d["s3"], d["folder"]) for d in data["deployments"]]
    yield Table(("name", "state", "keystore", "engine", "s3", "folder"), rows)


def stopped(data: Data) -> Iterable[Block]:
    what = ", ".join(data["stopped"]) or "nothing ran"
    yield Item("ok", f"stopped: {what}. `kesdeploy start -n {data['deployment']}` brings it back.")


def removed(data: Data) -> Iterable[Block]:
    yield Item("ok", f"removed: {', '.join(data['removed']) or 'nothing was there'}")
    if deleted := data.get("deleted_keys"):
        yield Item("ok", f"deleted in the keystore, for ever: {', '.join(deleted)}")
    if data["kept"]:
        again = f"`kesdeploy up -n {data['deployment']}` brings all back"
        yield Text(f"Data, keys and certificates stay in {data['kept']}; {again}.")
    if stay := data.get("stay"):
        yield Text(f"Not removed: {', '.join(stay['keys'])} in {stay['keystore']}: others may use them.")


def rendered(data: Data) -> Iterable[Block]:
    for path, text in data["files"].items():
        yield Lines((f"# ---- {path}", text.rstrip("\n"), "")) if text else Item("ok", path)


def written(data: Data) -> Iterable[Block]:
    yield Item("ok", f"wrote {data['file']}; nothing was started")
    yield Lines((f"kesdeploy up --config {data['file']}",))


def renewed(data: Data) -> Iterable[Block]:
    for new in data["rotated"]:
        who = f": {new['before'][:12]}… is {new['after'][:12]}… now" if new["after"] else ""
        yield Item("ok", f"{RENEWED[new['what']]} is new{who}")
    yield Item("note", f"restarted: {', '.join(data['restarted']) or 'nothing'}")
    yield from _checks(data["checks"], quiet=False)
    if any(new["what"] == "root-password" for new in data["rotated"]):
        yield Text(f"The root password is in {data['password_file']}")


def rotated(data: Data) -> Iterable[Block]:
    rows = [(c["name"], c["before"][-12:] or "none", c["serial"][-12:], c["not_after"]) for c in data["rotated"]]
    if rows:
        yield Table(("certificate", "serial before", "now", "until"), rows)
    for kept in data["kept"]:
        lasts = f"until {kept['not_after']}, {_lasts(kept['days_left'])}"
        if kept["yours"]:
            yield Item("note", f"{kept['name']}: yours, {lasts}; you renew it, and `kesdeploy up` takes it up")
        else:
            yield Text(f"{kept['name']}: kept, {lasts}")
    for name in data["stopped"]:
        yield Item("note", f"{name} does not run: it reads its certificate when it starts")
    yield from _checks(data["checks"], quiet=True) if data["checks"] else ()
    served = "renewed" if data["stopped"] or not data["runs"] else "renewed and served"
    yield Item("ok", f"{len(rows)} {served}" if rows else "nothing to renew")
    if ca := data.get("ca"):
        trust = f"kesdeploy certs trust -n {data['deployment']}"
        yield Item("note", f"the CA is another one: whoever trusted it needs {ca['file']} ({trust})")
        yield Text(f"SHA-256  {ca['sha256']}")


def imported(data: Data) -> Iterable[Block]:
    for level, mark, title in IMPORTED:
        remarks = [remark for remark in data["remarks"] if remark["level"] == level]
        yield from (Text(title, style="bold") for _ in remarks[:1])
        for remark in remarks:
            yield Item(mark, f"{remark['where']}: {remark['what']}", [remark["why"]] if remark["why"] else ())
    yield from (Item("warn", f"still lacking: {what}") for what in data["missing"])
    if data["secrets"]:
        yield Item("ok", f"kept from these files in {data['folder']}/secrets/: {', '.join(data['secrets'])}")
    yield Item("ok", f"wrote {data['file']}")
    flags = f"--config {data['file']}" + (" --kms KMS" if any("keystore:" in what for what in data["missing"]) else "")
    yield Text(f"Next: kesdeploy plan {flags}, then kesdeploy up {flags}")


def policy(data: Data) -> Iterable[Block]:
    if proof := data.get("proof"):
        also = ", and could remove it" if proof["removed"] else ""
        yield Item("ok", f"proven: KES logged in, made a key, forgot it, read it again and used it{also}")
    elif data["policy"]:
        yield Lines(data["policy"].rstrip("\n").split("\n"))
    else:
        yield Text(f"The keystore {data['keystore']!r} needs no policy.")


def examined(data: Data) -> Iterable[Block]:
    marks = {"PASS": "ok", "WARN": "warn", "FAIL": "failed"}
    for finding in data["findings"]:
        below = [f"try: {finding['fix']}"] if finding["fix"] else []
        yield Item(marks[finding["verdict"]], f"{finding['name']}: {finding['evidence']}", below)  # type: ignore[arg-type]
    for line in data["done"]:
        yield Item("note", line)


def as_json(data: Data) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def nothing(_: Data) -> str:
    return ""


def exports(shell: str) -> Callable[[Data], str]:
    """`export` lines for a shell; values are quoted for exactly that shell."""

    def view(data: Data) -> str:
        refuse_other_shells(shell)
        return _SHELLS[shell](data["variables"])

    return view


def refuse_other_shells(shell: str) -> None:
    """UsageError for a shell that we cannot quote for."""
    from kesdeploy.errors import UsageError

    if shell not in _SHELLS:
        raise UsageError(f"no shell {shell!r}", hint=f"--shell {', '.join(_SHELLS)}")


def _sh(variables: dict[str, str]) -> str:
    import shlex

    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _fish(variables: dict[str, str]) -> str:
    def quoted(value: str) -> str:
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return "".join(f"set -gx {name} {quoted(value)};\n" for name, value in variables.items())


def _powershell(variables: dict[str, str]) -> str:
    def quoted(value: str) -> str:
        # PowerShell ends a string at typographic quotes, too.
        return "'" + re.sub("['\u2018-\u201b]", r"\g<0>\g<0>", value) + "'"

    return "".join(f"$env:{name} = {quoted(value)}\n" for name, value in variables.items())


def _json(variables: dict[str, str]) -> str:
    return json.dumps(variables, indent=2, ensure_ascii=False) + "\n"


_SHELLS: dict[str, Callable[[dict[str, str]], str]] = {
    "sh": _sh,
    "bash": _sh,
    "zsh": _sh,
    "fish": _fish,
    "powershell": _powershell,
    "json": _json,
}

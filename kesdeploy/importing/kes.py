"""A kes-config.yaml of somebody else's, read for what it means, for what KES ignores, and for what it dies of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kesdeploy.importing.findings import Found, Remark
from kesdeploy.importing.placeholders import is_placeholder
from kesdeploy.kes_routes import reaches
from kesdeploy.keystores import KEYSTORES
from kesdeploy.lacking import get
from kesdeploy.objections import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kesdeploy.keystores import Keystore

    OnThisMachine = Callable[[str], str | None]

_VARIABLE = re.compile(r"\$\{\s*(.+?)\s*\}")
# Where a spec of ours reads a secret; KES would take the words themselves for it.
_SOURCE = re.compile(r"@[~/.].*")
_IDENTITY = re.compile(r"[0-9a-f]{64}")
_STRAIGHT = {
    "cache.expiry.any": "kes.cache.any",
    "cache.expiry.unused": "kes.cache.unused",
    "cache.expiry.offline": "kes.cache.offline",
    "log.error": "kes.log.error",
    "log.audit": "kes.log.audit",
}
# What KES means where nothing is said, and kesdeploy means something else.
_UNSAID: dict[str, dict[str, Any]] = {"vault": {"keystore.vault.prefix": ""}}
# What KES reads for nothing, or no more: by path, with the reason.
_DEAD = {
    "root": "KES ignores it since 2022 and then ends with `no admin identity`; it is `admin: identity:` now",
    "tls.proxy": "KES reads it and does nothing with it",
    "keystore.kes": "KES reads it and then says `no keystore specified`",
    "keystore.vault.approle.retry": "there is no such setting any more",
    "keystore.gemalto.keysecure.credentials.retry": "there is no such setting",
    "keystore.gcp.secretmanager.endpoint": "KES uses it as an address of two kinds, and no value serves as both",
}
_OURS = {
    "tls.key": "kesdeploy makes KES's key",
    "tls.cert": "kesdeploy issues KES's certificate from the deployment's own CA, and renews it",
    "tls.ca": "clients are known by their identity",
    "version": "",
    "tls.auth": "",
}


def from_kes_config(tree: Mapping[str, Any], where: str, on_this_machine: OnThisMachine) -> Found:
    """What a KES configuration says. `on_this_machine`: the file of this machine that a path in the container is."""
    reader = _Reader(where, on_this_machine)
    modern = _modernised(tree, reader)
    reader.dead(modern)
    reader.straight(modern)
    reader.address(modern)
    reader.policies(modern)
    reader.keys(modern)
    reader.keystore(modern)
    reader.unknown(modern)
    return Found(reader.settings, reader.secrets, tuple(reader.remarks), reader.likely)


def _modernised(tree: Mapping[str, Any], reader: _Reader) -> dict[str, Any]:
    """Names that KES had before 2022, as they are called today."""
    found = dict(tree)
    if isinstance(found.get("keys"), dict) and "keystore" not in found:
        found["keystore"] = found.pop("keys")
        reader.broken(
            "keys",
            "the keystore was called `keys` before 2021",
            "KES says `no keystore specified`; it is `keystore:` now",
        )
    return found


class _Reader:
    """Gathers while it goes through one file."""

    def __init__(self, where: str, on_this_machine: OnThisMachine) -> None:
        self._where = where
        self._on_this_machine = on_this_machine
        self.settings: dict[str, Any] = {}
        self.likely: dict[str, Any] = {}
        self.secrets: dict[str, str] = {}
        self.remarks: list[Remark] = []

    def broken(self, path: str, what: str, why: str) -> None:
        self.remarks.append(Remark("broken", f"{self._where}: {path}", what, why))

    def changed(self, path: str, what: str, why: str) -> None:
        self.remarks.append(Remark("changed", f"{self._where}: {path}", what, why))

    def open(self, path: str, what: str, why: str) -> None:
        self.remarks.append(Remark("open", f"{self._where}: {path}", what, why))

    def dead(self, tree: Mapping[str, Any]) -> None:
        for path, why in _DEAD.items():
            if get(tree, path) is not None:
                self.broken(path, "has no effect", why)
        if get(tree, "admin.identity") is None:
            self.broken("admin.identity", "is missing", "KES ends with `invalid admin identity: no admin identity`")
        if get(tree, "cache.expiry.any") and not get(tree, "cache.expiry.unused"):
            self.broken(
                "cache.expiry.any",
                "keys are kept for 30 s at most",
                "that is so while `unused` is left out; kesdeploy writes both",
            )
        for path, why in _OURS.items():
            if why and get(tree, path) is not None:
                self.changed(path, "is not taken over", why)

    def straight(self, tree: Mapping[str, Any]) -> None:
        for theirs, ours in _STRAIGHT.items():
            value = get(tree, theirs)
            if value is not None and (text := self._text(theirs, value)) is not None:
                self.settings[ours] = (
                    {"on": "info"}.get(text.lower(), text.lower()) if theirs.startswith("log.") else text
                )
        admin = get(tree, "admin.identity")
        if admin is not None and _IDENTITY.fullmatch(str(admin)):
            self.settings["kes.admin"] = str(admin)
        elif admin not in (None, "disabled"):
            self.changed(
                "admin.identity",
                "is not taken over",
                "it is no identity; kesdeploy disables the admin and has an identity of its own",
            )

    def address(self, tree: Mapping[str, Any]) -> None:
        port = str(tree.get("address", "")).rpartition(":")[2]
        if port.isdecimal() and port != "7373":
            self.settings["network.kes_port"] = int(port)

    def policies(self, tree: Mapping[str, Any]) -> None:
        sections = dict(_items(tree.get("policy")))
        for name, policy in sections.items():
            body = policy if isinstance(policy, dict) else {}
            if "paths" in body:
                self.broken(f"policy.{name}.paths", "KES ignores it since 2022", "it is `allow:` now")
            for pattern in [text for part in ("allow", "deny", "paths") for text in _list(body, part)]:
                if isinstance(pattern, str) and not reaches(pattern):
                    self.broken(
                        f"policy.{name}",
                        f"{pattern} matches nothing",
                        "KES has no such path, and knows a `*` at the end alone",
                    )
            if _of_minio(name, sections):
                self.changed(
                    f"policy.{name}",
                    "is taken for MinIO's, and is not taken over",
                    "kesdeploy makes identities and policies of its own; MinIO may not create the default key",
                )
            else:
                self._further(name, body)

    def _further(self, name: str, body: Mapping[str, Any]) -> None:
        """A client besides MinIO keeps its policy; who it is may be said by a variable that nobody has here."""
        theirs = {part: [str(text) for text in _list(body, part)] for part in ("allow", "deny", "identities")}
        theirs["allow"] += [str(text) for text in _list(body, "paths")]
        known = [identity for identity in theirs["identities"] if _IDENTITY.fullmatch(identity)]
        kept = {part: [text for text in theirs[part] if reaches(text)] for part in ("allow", "deny")}
        self.settings[f"kes.policies.{name}"] = {**{part: p for part, p in kept.items() if p}, "identities": known}
        self.changed(f"policy.{name}", "is taken over", f"as kes.policies.{name}, beside those that kesdeploy makes")
        for other in theirs["identities"]:
            if other not in known:
                what = f"{other} is no identity" if not _VARIABLE.fullmatch(other) else f"its client is {other}"
                path = f"kes.policies.{name}.identities"
                self.open(f"policy.{name}", what, f"say who it is: --set '{path}=[\"@CERTIFICATE\"]', or 64 hex digits")

    def keys(self, tree: Mapping[str, Any]) -> None:
        given = tree.get("keys")
        if not isinstance(given, list) or not given:
            return
        names = [str(key.get("name")) for key in given if isinstance(key, dict) and key.get("name")]
        self.broken(
            "keys", "KES creates none of them", "no release since October 2023 does; kesdeploy creates its key itself"
        )
        if names:
            self.likely["key_name"] = names[0]

    def keystore(self, tree: Mapping[str, Any]) -> None:
        section = tree.get("keystore")
        if not isinstance(section, dict) or not section:
            self.broken("keystore", "is missing", "KES ends with `no keystore specified`")
            return
        if len(section) > 1:
            self.broken("keystore", f"{len(section)} keystores", "KES takes one; the first is taken here")
        backend = next(iter(section))
        keystore = next((k for k in KEYSTORES.values() if any(p.split(".")[0] == backend for p in k.kes_paths)), None)
        if keystore is None:
            self.broken(f"keystore.{backend}", "is no keystore that kesdeploy knows", f"known: {', '.join(KEYSTORES)}")
            return
        self.settings[f"keystore.{keystore.kind}"] = {}
        self.settings |= _UNSAID.get(backend, {})
        for path, value in _leaves({backend: section[backend]}):
            self._setting(keystore, path, value)

    def _setting(self, keystore: Keystore, path: str, value: object) -> None:
        ours = keystore.kes_paths.get(path)
        if ours is None:
            if f"keystore.{path}" not in _DEAD:
                self.open(f"keystore.{path}", "is not taken over", "kesdeploy has no such setting for this keystore")
        elif not ours:
            self.changed(
                f"keystore.{path}",
                "is not taken over",
                "kesdeploy keeps it in the deployment's folder; keys that lie there have to be copied",
            )
        elif is_secret(keystore.fields, ours) and not _names_a_file(ours, str(value)):
            self._secret(keystore.kind, path, ours, str(value))
        elif (text := self._text(f"keystore.{path}", value)) is not None:
            self._plain(keystore.kind, path, ours, text)

    def _plain(self, kind: str, path: str, ours: str, text: str) -> None:
        if _names_a_file(ours, text):
            file = self._on_this_machine(text)
            if file is None:
                self.open(
                    f"keystore.{path}",
                    f"{text} is a file in the container",
                    f"name the file of this machine: --set keystore.{kind}.{ours}=FILE",
                )
                return
            text = file
        if is_placeholder(text):
            self.open(f"keystore.{path}", f"{text} is a placeholder", f"say yours: --set keystore.{kind}.{ours}=VALUE")
        self.settings[f"keystore.{kind}.{ours}"] = text

    def _secret(self, kind: str, path: str, ours: str, value: str) -> None:
        if variable := _VARIABLE.fullmatch(value.strip()):
            self.settings[f"keystore.{kind}.{ours}"] = f"env:{variable[1]}"
        elif is_placeholder(value) or _SOURCE.fullmatch(value.strip()):
            self._name_section(kind, ours.partition(".")[0])
            where = f"--set keystore.{kind}.{ours}=@FILE (or env:NAME, or - for stdin)"
            self.open(f"keystore.{path}", "a tutorial's placeholder, not a secret", f"say where yours is: {where}")
        elif value:
            self.secrets[f"{kind}-{ours.replace('.', '-')}"] = value
            self._name_section(kind, ours.partition(".")[0])
            self.changed(
                f"keystore.{path}",
                "a secret in a configuration file",
                "kesdeploy keeps it in secrets/, mode 0600; the spec does not name it",
            )

    def _name_section(self, kind: str, name: str) -> None:
        """A section that may be left out says by being there that its secrets are."""
        field = KEYSTORES[kind].fields.model_fields.get(name)
        if field and field.default is None and not is_secret(KEYSTORES[kind].fields, name):
            self.settings.setdefault(f"keystore.{kind}.{name}", {})

    def _text(self, path: str, value: object) -> str | None:
        if variable := _VARIABLE.fullmatch(str(value).strip()):
            self.open(path, f"its value is the variable {variable[1]}", "say it in the spec")
            return None
        return str(value)

    def unknown(self, tree: Mapping[str, Any]) -> None:
        from pydantic import ValidationError

        from kesdeploy.kes_config import KesConfig
        from kesdeploy.objections import objections

        known = {*_DEAD, "keys", "root"}
        try:
            KesConfig.model_validate({key: value for key, value in tree.items() if key not in known})
        except ValidationError as error:
            for text in objections(error, KesConfig):
                path, _, what = text.partition(": ")
                if what.startswith("unknown key") and path not in known and not path.endswith(".paths"):
                    self.broken(path, what, "KES ignores what it does not know, and says nothing")


def _of_minio(name: str, policies: Mapping[str, Any]) -> bool:
    """Whether it is the policy of MinIO's own identity: the only one, or the one that is called so."""
    called = [each for each in policies if "minio" in each.lower()]
    return name in (called or [next(iter(policies))])


def _names_a_file(ours: str, value: str) -> bool:
    """Whether KES reads a file there. With a `/` in it, it takes Vault's `jwt` for one."""
    return ours.endswith("ca") or ours in ("tls.cert", "tls.key") or (ours == "kubernetes.jwt" and "/" in value)


def _items(section: object) -> Iterator[tuple[str, Any]]:
    if isinstance(section, dict):
        yield from ((str(name), value) for name, value in section.items())


def _list(body: Mapping[str, Any], part: str) -> list[object]:
    found = body.get(part)
    return found if isinstance(found, list) else []


def _leaves(tree: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value of nested mappings with its path; empty ones are none."""
    if isinstance(tree, dict):
        for name, below in tree.items():
            yield from _leaves(below, f"{prefix}.{name}" if prefix else str(name))
    elif tree not in (None, ""):
        yield prefix, tree

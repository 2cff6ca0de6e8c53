"""MinIO's environment, from a file or a container: what it means, what MinIO ignores, and what it dies of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kesdeploy.importing.findings import Found, Remark
from kesdeploy.importing.placeholders import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLAY = "play.min.io"
# Passwords of published tutorials, which everybody knows.
PUBLIC = frozenset({"minioadmin", "minio123", "minio-secret-key-change-me", "password", "rootpassword", "changeme123"})
_VARIABLE = re.compile(r"\$\{[A-Za-z_]\w*([:?+-][^{}]*)?\}")
_OLD = {"MINIO_ACCESS_KEY": "MINIO_ROOT_USER", "MINIO_SECRET_KEY": "MINIO_ROOT_PASSWORD"}
_OURS = {
    "MINIO_KMS_KES_ENDPOINT": "kesdeploy runs KES beside MinIO, and names it by its certificate",
    "MINIO_KMS_KES_API_KEY": "kesdeploy makes MinIO's identity itself",
    "MINIO_KMS_KES_CERT_FILE": "kesdeploy makes MinIO's identity itself",
    "MINIO_KMS_KES_KEY_FILE": "kesdeploy makes MinIO's identity itself",
    "MINIO_KMS_KES_KEY_PASSWORD": "kesdeploy makes MinIO's identity itself",
    "MINIO_KMS_KES_CAPATH": "KES's certificate is of the deployment's own CA",
    "MINIO_CONFIG_ENV_FILE": "kesdeploy writes MinIO's env file and mounts it",
    "MINIO_BROWSER_REDIRECT_URL": "kesdeploy sets the console's published address",
}
_OWN_KEY = "MinIO ends when a key of its own stands beside KES; copy what it encrypted over S3, from the old MinIO"
_BROKEN = {
    "MINIO_KMS_KES_CA_PATH": "it is MINIO_KMS_KES_CAPATH; MinIO ignores this one and refuses KES's certificate",
    "MINIO_KMS_KES_ENCLAVE": "MinIO does not know this name; KES has no enclaves any more",
    "MINIO_KMS_SECRET_KEY": _OWN_KEY,
    "MINIO_KMS_SECRET_KEY_FILE": _OWN_KEY,
    "MINIO_KMS_MASTER_KEY": "MinIO does not know this name any more",
    "MINIO_SSE_MASTER_KEY": "MinIO does not know this name any more",
    "MINIO_SSE_AUTO_ENCRYPTION": "MinIO does not know this name: it is MINIO_KMS_AUTO_ENCRYPTION",
}


def from_environment(variables: Mapping[str, str], where: str) -> Found:
    """What MinIO's variables say."""
    settings: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    remarks: list[Remark] = []
    for given, value in variables.items():
        name = _OLD.get(given, given)
        remarks += _said(given, value, where)
        if value.startswith("env"):
            continue
        nobodys = value in PUBLIC or is_placeholder(value)
        if name == "MINIO_ROOT_USER" and not (nobodys or value.startswith("$")):
            settings["minio.root_user"] = value
        elif name == "MINIO_ROOT_PASSWORD" and value and not nobodys and not _unset(value):
            secrets |= _password(value, settings)
        elif name == "MINIO_KMS_KES_KEY_NAME" and value:
            settings["key_name"] = value
        elif name == "MINIO_KMS_AUTO_ENCRYPTION":
            settings["minio.auto_encryption"] = value.lower() == "on"
        elif _is_a_knob(name, value):
            settings[f"minio.environment.{name}"] = value
    remarks += _together(variables, where)
    return Found(settings, secrets, tuple(remarks))


def _is_a_knob(name: str, value: str) -> bool:
    """Whether it is a setting of MinIO's that a spec may repeat; what it may not is told when the spec is made."""
    told = name in _OURS or name in _BROKEN or name.startswith(("MINIO_KMS_", "MINIO_ROOT_"))
    return name.startswith("MINIO_") and bool(value) and not told and name != "MINIO_VOLUMES"


def _unset(value: str) -> str:
    """A variable that nobody here knows, amid a text; one that is all of it can be asked for when it is needed."""
    found = _VARIABLE.search(value)
    return found[0] if found and found[0] != value else ""


def _password(value: str, settings: dict[str, Any]) -> dict[str, str]:
    """A password as it is, or as the variable that it comes from."""
    if value.startswith("${") and value.endswith("}"):
        settings["minio.root_password"] = f"env:{value[2:-1].partition(':')[0]}"
        return {}
    return {"root-password": value}


def _said(name: str, value: str, where: str) -> Iterator[Remark]:
    place = f"{where}: {name}"
    if name in _OLD:
        yield Remark("broken", place, "is deprecated since 2021", f"it is {_OLD[name]} now")
    if name in _BROKEN or name.startswith("MINIO_KMS_VAULT_"):
        why = _BROKEN.get(name, "MinIO does not speak to Vault by itself since 2021; KES does")
        yield Remark("broken", place, "has no use here", why)
    if name in _OURS:
        yield Remark("changed", place, "is not taken over", _OURS[name])
    if value.startswith("env"):
        yield Remark(
            "broken", place, "its value begins with `env`", "MinIO takes that for an address and blanks the value"
        )
    if name.startswith("MINIO_KMS_") and not value:
        yield Remark(
            "broken", place, "is empty", "for MinIO an empty variable is set, and the group it belongs to incomplete"
        )
    if PLAY in value:
        yield Remark(
            "broken",
            place,
            f"{PLAY} is gone",
            "it was a public KES whose root key everybody had: what was encrypted there was never secret",
        )
    if (root := _OLD.get(name, name)) in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"):
        yield from _of_the_root(root, value, place)


def _of_the_root(name: str, value: str, place: str) -> Iterator[Remark]:
    if value in PUBLIC or is_placeholder(value):
        yield Remark(
            "changed",
            place,
            "is public knowledge" if value in PUBLIC else "is a tutorial's placeholder",
            "kesdeploy makes one of its own: kesdeploy env -n NAME --only console shows it",
        )
    elif name == "MINIO_ROOT_USER" and value.startswith("$"):
        yield Remark("open", place, f"{value} is not set here", "say it: --set minio.root_user=VALUE; else one is made")
    elif name == "MINIO_ROOT_PASSWORD" and value.startswith("${") and not _unset(value):
        why = "set it where kesdeploy runs, or: --set minio.root_password=@FILE"
        yield Remark("changed", place, f"is read from the variable {value}", why)
    elif name == "MINIO_ROOT_PASSWORD" and (lacks := _unset(value)):
        why = "say where it is: --set minio.root_password=@FILE; else one is made"
        yield Remark("open", place, f"{lacks} is not set here", why)


def _together(variables: Mapping[str, str], where: str) -> Iterator[Remark]:
    files = [name for name in ("MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_FILE") if name in variables]
    if "MINIO_KMS_KES_API_KEY" in variables and files:
        yield Remark("broken", where, f"MINIO_KMS_KES_API_KEY beside {files[0]}", "MinIO ends when both are set")
    if len(files) == 1:
        yield Remark("broken", where, f"{files[0]} alone", "certificate and key belong together: MinIO ends")
    kes = any(name.startswith("MINIO_KMS_KES_") for name in variables)
    if kes and "MINIO_KMS_KES_ENDPOINT" in variables and "MINIO_KMS_KES_CAPATH" not in variables:
        yield Remark(
            "broken",
            where,
            "MINIO_KMS_KES_CAPATH is missing",
            "MinIO then refuses a certificate that no public CA signed",
        )
    if kes and "MINIO_KMS_AUTO_ENCRYPTION" not in variables:
        yield Remark(
            "changed",
            where,
            "nothing is encrypted by itself there",
            "kesdeploy turns MINIO_KMS_AUTO_ENCRYPTION on; minio.auto_encryption: false keeps it off",
        )

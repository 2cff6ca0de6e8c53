"""A MinIO whose KES is not in the files: others run it, and it stays where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kesdeploy.importing.findings import Found, Remark
from kesdeploy.importing.minio import PLAY
from kesdeploy.importing.placeholders import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENDPOINT = "MINIO_KMS_KES_ENDPOINT"
_LOGIN = ("MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_API_KEY")
_CA = "MINIO_KMS_KES_CAPATH"
TAKEN = (ENDPOINT, *_LOGIN, _CA)


def from_endpoint(
    variables: Mapping[str, str], where: str, on_this_machine: Callable[[str], str | None]
) -> Found | None:
    """The keystore `kes` of these variables; None where they name no KES that could be elsewhere."""
    endpoints = [each.strip() for each in variables.get(ENDPOINT, "").split(",") if each.strip()]
    if not endpoints or not all(map(_foreign, endpoints)):
        return None
    settings: dict[str, Any] = {"keystore.kes.endpoints": endpoints}
    remarks = [
        Remark(
            "changed",
            f"{where}: {ENDPOINT}",
            f"KES stays at {', '.join(endpoints)}",
            "no configuration of it is in these files, so others run it: only MinIO is deployed here (--kms kes); "
            "to bring KES along, import its configuration too",
        )
    ]
    for path, value in _login(variables):
        if path == "api_key":
            settings["keystore.kes.api_key"] = value
            remarks.append(_to_export(where))
        elif file := on_this_machine(value):
            settings[f"keystore.kes.{path}"] = f"@{file}" if path == "key" else file
        else:
            pair = "--set keystore.kes.certificate=FILE --set keystore.kes.key=@FILE"
            hint = f"name the file of this machine: {'--set keystore.kes.ca=FILE' if path == 'ca' else pair}"
            remarks.append(Remark("open", where, f"{value} is not on this machine", hint))
    return Found(_whole_pair(settings), {}, tuple(remarks))


def _whole_pair(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Half of a pair would be refused, and with it the whole section."""
    pair = {"keystore.kes.certificate", "keystore.kes.key"}
    half = pair & settings.keys() if len(pair & settings.keys()) == 1 else set()
    return {path: value for path, value in settings.items() if path not in half}


def _login(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The keys below `keystore.kes`, each with what the variables have."""
    certificate, key, api_key = (variables.get(name, "") for name in _LOGIN)
    if api_key and not (certificate or key) and not is_placeholder(api_key):
        yield "api_key", f"env:{_LOGIN[2]}"
    for path, value in (("certificate", certificate), ("key", key), ("ca", variables.get(_CA, ""))):
        if value:
            yield path, value


def _to_export(where: str) -> Remark:
    return Remark(
        "open",
        f"{where}: {_LOGIN[2]}",
        "MinIO's API key there is read from the variable of that name",
        "a secret stands in no spec: export it before `kesdeploy up`, or --set keystore.kes.api_key=@FILE",
    )


def _foreign(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    loopback = host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")
    return endpoint.startswith("https://") and not loopback and PLAY not in host and not is_placeholder(endpoint)

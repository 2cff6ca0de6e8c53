"""What MinIO can read back, and which of its variables a user may set. Pure.

Source: RELEASE.2025-04-22T22-12-26Z, cmd/common-main.go, cmd/server-main.go, internal/config/constants.go, and trials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

LONGEST = 65_000
"""Bytes of a value in MinIO's env file."""

_NAME = re.compile(r"_?MINIO_[A-Z0-9_]+")
_SOURCE = re.compile(r"@.+|env:[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|KEY|CONNECTION_STRING|DSN_STRING)(_|$)")
_LOGIN_IN_URL = re.compile(r"://[^/@\s]*@")

# What decides it in our spec.
_OURS: Final = {
    "MINIO_ROOT_USER": "minio.root_user",
    "MINIO_ROOT_PASSWORD": "minio.root_password",
    "MINIO_ACCESS_KEY": "minio.root_user",
    "MINIO_SECRET_KEY": "minio.root_password",
    "MINIO_VOLUMES": "minio.drives",
    "MINIO_ARGS": "minio.drives",
    "MINIO_ENDPOINTS": "minio.drives",
    "MINIO_ADDRESS": "network.s3_port",
    "MINIO_CONSOLE_ADDRESS": "network.console_port",
    "MINIO_BROWSER_REDIRECT_URL": "network.console_port (and network.extra_names)",
    "MINIO_KMS_AUTO_ENCRYPTION": "minio.auto_encryption",
    "MINIO_KMS_KES_KEY_NAME": "key_name",
}
_ALLOWED_KMS: Final = ("MINIO_KMS_REPLICATE_KEYID",)
_BECAUSE: Final = {
    "MINIO_CONFIG_ENV_FILE": "it names the file that these are written to",
    "_MINIO_BATCH_KEYROTATION_WORKERS": "it is one: several could turn the versions of an object around",
    "MINIO_API_ROOT_ACCESS": "kesdeploy proves with the root user that everything works",
    **dict.fromkeys(
        ("MINIO_SITE_REGION", "MINIO_REGION", "MINIO_REGION_NAME"),
        "kesdeploy and what `kesdeploy env` prints speak to the region us-east-1",
    ),
}
# Flags of the command line, or what is read when the program is loaded.
_EARLY: Final = frozenset(
    f"MINIO_{name}"
    for name in (
        *("CONFIG", "LISTENERS", "SHUTDOWN_TIMEOUT", "IDLE_TIMEOUT", "READ_HEADER_TIMEOUT", "CONN_USER_TIMEOUT"),
        *("INTERFACE", "DNS_CACHE_TTL", "MAX_IDLE_CONNS_PER_HOST", "CROSSDOMAIN_XML", "MEMLIMIT", "SEND_BUF_SIZE"),
        *("RECV_BUF_SIZE", "LOG_DIR", "LOG_SIZE", "LOG_COMPRESS", "LOG_PREFIX", "CI_CD", "API_SELECT_PARQUET", "OPTS"),
    )
)


def has_console(environment: Mapping[str, str]) -> bool:
    """Whether MinIO serves its console (config.ParseBool of `MINIO_BROWSER`)."""
    said = environment.get("MINIO_BROWSER", "on")
    return said not in {"0", "f", "F"} and said.lower() not in {"false", "off", "disabled"}


def unreadable(text: str) -> str:
    """Why MinIO would not read this value back, or an empty string."""
    if any(c in text for c in "\n\r\0"):
        return "it has a line end or a NUL inside"
    # With room for the name, bufio.Scanner's limit for a line.
    if len(text.encode(errors="surrogatepass")) > LONGEST:
        return "it is longer than a line of 64 KiB, the most that MinIO reads"
    # Go's TrimSpace, which str.strip covers: U+0085 and U+00A0 too.
    if text != text.strip():
        return "it has white space at an end, which MinIO trims"
    if text.startswith("env"):
        return "it begins with 'env', which MinIO takes for the address of a remote configuration"
    return ""


def is_source(value: str) -> bool:
    """Whether it says where the value is read from: `@FILE` or `env:NAME`."""
    return bool(_SOURCE.fullmatch(value))


def as_text(given: object) -> object:
    """Scalars as MinIO writes them."""
    if not isinstance(given, Mapping):
        return given
    written = {True: "on", False: "off"}
    return {
        name: written[value] if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value
        for name, value in given.items()
    }


def environment(value: dict[str, str]) -> dict[str, str]:
    """Variables that a user may set. ValueError with everything that is wrong, and never a value."""
    found = [f"{name}: {what}" for name, text in value.items() if (what := _objection(name, text))]
    if found:
        raise ValueError("; ".join(found))
    return value


def _objection(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        return "MinIO's variables are called MINIO_…, in capitals"
    if what := _not_for_users(name):
        return what
    if is_source(value):
        return ""
    if _SECRET.search(name) or _LOGIN_IN_URL.search(value):
        return "a secret does not belong in a spec; write @FILE or env:NAME"
    return unreadable(value)


def _not_for_users(name: str) -> str:
    plain = name.removesuffix("_FILE")
    if instead := _OURS.get(name) or _OURS.get(plain):
        return f"set {instead} instead"
    if name.startswith("MINIO_KMS_KES_"):
        return "kesdeploy sets it; for a KES that others run: keystore.kes"
    if name.startswith("MINIO_KMS_") and name not in _ALLOWED_KMS:
        return "MinIO has one KMS, and here it is KES"
    if name in _EARLY:
        return "MinIO reads it before it reads these"
    return _BECAUSE.get(name, "")

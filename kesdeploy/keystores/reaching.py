"""Whether a KMS that others run can be reached at all: from here, and from KES's container."""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kesdeploy.errors import CertificateError, ServiceError, UsageError

if TYPE_CHECKING:
    from kesdeploy.clients import Answer


def refuse_loopback(address: str, key: str, who: str = "KES") -> None:
    """In a pod, this machine's loopback is the pod's own: everything here would pass, and KES would find nobody.

    key: where the address stands in the spec. who: the one in the pod that is to reach it.
    """
    host = urlsplit(address).hostname or ""
    try:
        ip = ipaddress.ip_address(host)
        loopback = ip.is_loopback or ip.is_unspecified
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    if loopback:
        raise UsageError(
            f"{who} cannot reach {address}",
            because="it runs in a pod, where that address is the pod itself",
            hint=f"let it listen on an address of this machine, and name that in {key}",
        )


def authority(path: str | None, key: str) -> Path | None:
    """The file of a private CA. KES skips one that it cannot parse, and says nothing: so it is parsed here.

    Raises CertificateError. key: where the file is named in the spec.
    """
    if path is None:
        return None
    try:
        file = Path(path).expanduser()
        ssl.create_default_context(cafile=str(file))
    except (OSError, ValueError, RuntimeError) as error:
        words = error.strerror if isinstance(error, FileNotFoundError) else error
        raise CertificateError(
            "the CA's file cannot be read",
            because=f"{path}: {words}",
            hint=f"{key} has to name a PEM file with the CA's certificate",
        ) from error
    return file


def answers(
    address: str, what: str, key: str, *, ca: Path | None = None, timeout: float = 10, proxy: str | None = None
) -> Answer:
    """Any answer at this address, over TLS that holds. ServiceError with status 0 when there is none.

    what: the KMS in the user's words. key: where the address stands in the spec.
    """
    from kesdeploy.clients import Door

    refuse_loopback(address, key)
    try:
        return Door(address, ca=ca, timeout=timeout, proxy=proxy).ask("GET", "/")
    except ServiceError as error:
        raise ServiceError(
            f"{what} cannot be reached at {address}",
            because=error.because,
            hint=_next(error.because, address, key) + unused_proxy(proxy),
        ) from error


def unused_proxy(proxy: str | None) -> str:
    """The end of a hint, where the shell's own programs would go through a proxy, and KES does not; else empty."""
    name = next((name for name in ("HTTPS_PROXY", "https_proxy") if os.environ.get(name)), "")
    if proxy:
        return f"; or is kes.proxy the wrong one? {proxy}"
    return f"; through the proxy of your shell, only when told: --set kes.proxy=${name}" if name else ""


def _next(because: str, address: str, key: str) -> str:
    if "certificate" in because:
        section = key.rpartition(".")[0]
        return f"{section}.ca: the PEM file of the CA that signed it; {key}: a name that is in its certificate"
    if "WRONG_VERSION_NUMBER" in because:
        return f"{key}: it does not speak TLS there, and KES speaks nothing else"
    return f"{key}: is that the right address? curl -v {address}"

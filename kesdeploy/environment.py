"""The environment that every S3 and KES client understands. The one place where secrets become output, on purpose."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import opening, pki, services, topology, validity
from kesdeploy.deployment import clock
from kesdeploy.errors import StateError, UsageError
from kesdeploy.files import write_private
from kesdeploy.result import Result

if TYPE_CHECKING:
    from kesdeploy.home import Home
    from kesdeploy.opening import Wish
    from kesdeploy.report import Reporter
    from kesdeploy.spec import Spec


def exports(wish: Wish, report: Reporter, *, only: str = "", kes: bool = False) -> Result:
    """Variables by name. `only` = `console`: user and password for the browser."""
    home = opening.existing(wish)
    spec = opening.load(wish, home)
    for problem in validity.expired(spec, home, clock()):
        report.warn(f"{problem.message}: {problem.hint}")
    user, password = services.root(spec, home)
    if only not in ("", "console"):
        raise UsageError(f"--only {only!r} is not known", hint="--only console")
    if only:
        return Result("env", {"variables": {"MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password}})
    return Result("env", {"variables": {**_s3(spec, home, user, password, report), **_kes(spec, home, roots=kes)}})


def _s3(spec: Spec, home: Home, user: str, password: str, report: Reporter) -> dict[str, str]:
    url = topology.s3_url(spec)
    found = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": user,
        "AWS_SECRET_ACCESS_KEY": password,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    if authority := services.s3_ca(spec, home):
        found["AWS_CA_BUNDLE"] = str(authority)
    # mc never undoes percent-encoding, and takes the first colons for its own.
    if ":" in user or ":" in password:
        report.warn("mc cannot take a user or password with ':' from the environment; MC_HOST is left out")
        return found
    scheme, _, host = url.partition("://")
    return {**found, f"MC_HOST_{home.name.replace('-', '_')}": f"{scheme}://{user}:{password}@{host}"}


def _kes(spec: Spec, home: Home, *, roots: bool) -> dict[str, str]:
    theirs = services.elsewhere(spec)
    certificate, key = home.identity(services.kes_identity(spec))
    if not key.exists():
        raise StateError("this deployment's KES identity is missing", hint=f"kesdeploy up -n {home.name}")
    if (theirs and theirs.certificate) or spec.kes.auth == "certificate":
        login = {"KES_CLIENT_CERT": str(certificate), "KES_CLIENT_KEY": str(key)}
    else:
        login = {"KES_API_KEY": pki.api_key_of(key.read_bytes())}
    authority = services.kes_ca(spec, home)
    bundle = {"SSL_CERT_FILE": str(_bundle(home, authority))} if roots and authority else {}
    return {"KES_SERVER": topology.kes_url(spec), **login, **bundle}


def _bundle(home: Home, authority: Path) -> Path:
    """The system's roots and KES's CA: SSL_CERT_FILE replaces the roots for everything in that shell."""
    path = home.path("ca/bundle.crt")
    system = ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile
    there = Path(system).read_bytes() if Path(system).exists() else b""
    write_private(path, there + b"\n" + authority.read_bytes(), 0o644)
    return path

"""`kesdeploy mc` and `kesdeploy kes`: the real command-line tools, as one-shot containers in the deployment's network.

Credentials are files in a private folder that is mounted; the current folder is mounted at the same path, so that
`kesdeploy mc cp ./file this/bucket` sees the user's files.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kesdeploy import admitted, choosing, foreground, images, opening, services, topology, validity
from kesdeploy.errors import CertificateError, ImageError, Unhealthy, UsageError
from kesdeploy.report import Reporter, Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kesdeploy.deployment import Deployment
    from kesdeploy.opening import Wish
    from kesdeploy.spec import Spec

_SELINUX = Path("/sys/fs/selinux/enforce")
INSTEAD = {"mc": 'eval "$(kesdeploy env)" and any S3 client', "kes": "kesdeploy verify, kesdeploy status"}


def run_tool(tool: str, wish: Wish, arguments: Sequence[str], report: Reporter) -> int:
    """The tool's own exit code. ImageError in the sandbox, which has neither tool."""
    home = opening.existing(wish)
    _refuse_unseen(tool, arguments)
    with opening.opened(wish, home, report, lock=False) as deployment:
        if deployment.state.value.sandbox:
            raise ImageError(f"the sandbox has no {tool}", hint=INSTEAD[tool])
        if rests := services.resting(deployment):
            raise Unhealthy(rests.message, hint=rests.hint)
        pick = images.choose(
            deployment.engine,
            components=(tool,),
            mode="release",
            pull=deployment.spec.images.pull,
            overrides=choosing.overrides(deployment),
            report=Silent(),
        )[tool]
        part = "minio-server" if tool == "mc" or services.elsewhere(deployment.spec) else "kes-server"
        server = deployment.engine.container(topology.container_name(home.name, part))
        if server is None or not server.running:
            raise Unhealthy(f"{home.name} does not run", hint=f"kesdeploy up -n {home.name}")
        if ended := validity.expired(deployment.spec, home, deployment.now):
            raise CertificateError(ended[0].message, hint=ended[0].hint)
        if tool == "kes" and tuple(arguments[:2]) == ("identity", "new") and deployment.spec.kes.auth == "certificate":
            report.note("KES takes only certificates of the deployment's CA here: what this makes is turned away")
            report.note(f"a client of its own: {admitted.client_certificate(home)}")
        with tempfile.TemporaryDirectory(prefix="kesdeploy-", dir=home.root) as folder:
            inside = _credentials(tool, deployment, Path(folder))
            argv = [
                *deployment.engine.run_args(server.name),
                *_flags(deployment, folder, inside, pick.entrypoint),
            ]
            return foreground.run([*argv, pick.id, *pick.entrypoint[1:], *_prefix(tool, deployment.spec), *arguments])


def _refuse_unseen(tool: str, arguments: Sequence[str]) -> None:
    """In a container, a path outside of the current folder is another file of that name, or none."""
    here = _here()
    for word in arguments if tool == "mc" else ():
        local = word.startswith(("/", "../")) or word == ".."
        if local and (here is None or not (here / word).resolve().is_relative_to(here)):
            raise UsageError(
                f"mc sees the current folder and what is below it, not {word}", hint=f"cd {Path(word).parent} first"
            )


def _here() -> Path | None:
    """The current folder; None where there is nothing to be seen: it was removed, or is all of the machine."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return None
    return here if here != Path("/") else None


def _credentials(tool: str, deployment: Deployment, folder: Path) -> dict[str, str]:
    """Write what the tool needs, and give the environment that points to it (paths, never secrets)."""
    home, spec = deployment.home, deployment.spec
    if tool == "kes":
        return _kes_login(deployment, folder)
    user, password = services.root(spec, home)
    host = services.called(spec, "minio-server") or "127.0.0.1"
    url = f"{'https' if spec.https else 'http'}://{host}:{topology.S3_PORT}"
    alias = {"url": url, "accessKey": user, "secretKey": password, "api": "S3v4", "path": "auto"}
    (folder / "config.json").write_text(json.dumps({"version": "10", "aliases": {"this": alias, home.name: alias}}))
    return {"HOME": "/kesdeploy", **_roots(folder, services.s3_ca(spec, home))}


def _roots(folder: Path, authority: Path | None) -> dict[str, str]:
    if authority is None:  # the public ones are in the image
        return {}
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    return {"SSL_CERT_FILE": "/kesdeploy/ca.crt"}


def _kes_login(deployment: Deployment, folder: Path) -> dict[str, str]:
    home, spec = deployment.home, deployment.spec
    for name, source in zip(("client.crt", "client.key"), home.identity(services.kes_identity(spec)), strict=True):
        (folder / name).write_bytes(source.read_bytes())
    inside = f"https://{topology.container_name(home.name, 'kes-server')}:{topology.KES_PORT}"
    found = {
        "KES_SERVER": topology.kes_url(spec) if services.elsewhere(spec) else inside,
        "KES_CLIENT_CERT": "/kesdeploy/client.crt",
        "KES_CLIENT_KEY": "/kesdeploy/client.key",
    }
    return {**found, **_roots(folder, services.kes_ca(spec, home))}


def _flags(deployment: Deployment, folder: str, environment: dict[str, str], entrypoint: Sequence[str]) -> list[str]:
    user = "0:0" if deployment.engine.info().rootless else deployment.home.owner()
    flags = ["--user", user, "--entrypoint", entrypoint[0], "--mount", _mount(folder, "/kesdeploy")]
    if here := _here():
        flags += ["--mount", _mount(str(here), str(here)), "-w", str(here)]
    # A shared label on a whole home folder would change the user's machine: the current folder is mounted as it is, and
    # SELinux, which would keep it from any container, is left out for this one.
    flags += ["--security-opt", "label=disable"] if _SELINUX.exists() else []
    flags += ["-t"] if foreground.on_terminal() else []
    return flags + [part for name, value in environment.items() for part in ("-e", f"{name}={value}")]


def _mount(source: str, target: str) -> str:
    """Both engines read it as a line of CSV: a folder may have colons and commas in its name."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(("type=bind", f"source={source}", f"target={target}"))
    return line.getvalue()


def _prefix(tool: str, spec: Spec) -> list[str]:
    if tool != "mc":
        return []
    # What a certificate of the user's names is elsewhere, for all that the container knows.
    host = services.called(spec, "minio-server")
    here = ["--resolve", f"{host}:{topology.S3_PORT}=127.0.0.1"] if host else []
    return ["--config-dir", "/kesdeploy", *here]

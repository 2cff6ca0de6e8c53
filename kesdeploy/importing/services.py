"""The containers of a compose file or of commands: which they are, and what is wrong with how they are started."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kesdeploy import kes_versions
from kesdeploy.errors import UsageError
from kesdeploy.importing.findings import Found, Remark, merged
from kesdeploy.importing.limits import from_limits
from kesdeploy.importing.minio import from_environment
from kesdeploy.spec import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PORTS = {"kes": {7373: "kes_port"}, "vault": {8200: "vault_port"}}
_GONE = {"--mlock": "v0.21", "--root": "v0.18", "--quiet": "v0.21", "-q": "v0.21"}
_VAULT_OWN = {
    "VAULT_AGENT_ADDR": "KES asks that address instead of keystore.vault.endpoint, and says nothing",
    "VAULT_NAMESPACE": "it stands over what is configured; keystore.vault.namespace says it openly",
    "VAULT_SKIP_VERIFY": "KES then believes any certificate; keystore.vault.ca names the authority to trust",
    "VAULT_CACERT": "keystore.vault.ca names that file",
    "VAULT_PROXY_ADDR": "kes.proxy names a proxy",
}
# MinIO's options whose value begins with a slash (cmd/server-main.go, cmd/main.go).
_WITH_A_FOLDER = ("--certs-dir", "-S", "--config-dir", "-C", "--license", "--config")
_SEVERAL = re.compile(r"\{1\.\.\.(\d{1,2})\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Service:
    """One container. mounts: path inside -> path here, or a volume's name. ports: (address, here, inside)."""

    name: str
    where: str
    image: str = ""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    env_files: tuple[str, ...] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, int, int], ...] = ()
    memory: str = ""
    cpus: str = ""
    restart: str = ""
    """As they are written."""
    health: bool = False
    """Whether it brings a health check."""

    @property
    def component(self) -> str:
        """kes, minio, vault, or empty for anything else."""
        image = posixpath.basename(self.image.partition("@")[0]).partition(":")[0].lower()
        for part, words in (("kes", ("kes",)), ("vault", ("vault", "openbao")), ("minio", ("minio",))):
            nameless = not image or image.startswith("$")
            if image in words or (nameless and any(word in self.name.lower() for word in words)):
                return part
        return "minio" if any("minio" in word for word in (image, *self.command[:1])) else ""

    def on_this_machine(self, path: str) -> str | None:
        """What a path in the container is here; None where nothing is mounted."""
        below = [target for target in self.mounts if path == target or path.startswith(target.rstrip("/") + "/")]
        if not below:
            return None
        target = max(below, key=len)
        source = self.mounts[target]
        return posixpath.join(source, path[len(target) :].lstrip("/")) if path != target else source

    def option(self, name: str) -> str:
        """The value of an option of its command, as `--name value` or `--name=value`."""
        for position, word in enumerate(self.command):
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
            if word == name and position + 1 < len(self.command):
                return self.command[position + 1]
        return ""


def from_service(service: Service) -> Found:
    """What one container says, and what is wrong with it."""
    remarks = (*_image(service), *(_CHECKS[service.component](service) if service.component else ()))
    release, said = _release(service)
    settings: dict[str, Any] = {**release, **_proxy(service)}
    remarks += said
    known = _listens(service)
    for address, here, inside in service.ports:
        remarks += tuple(_published(service, address, here)) if inside in known else ()
        if inside in known and here != getattr(Network(), known[inside]):
            settings[f"network.{known[inside]}"] = here
    if service.component == "minio" and (drives := len(_drives(service))) > 1:
        settings["minio.drives"] = drives
    if service.component and service.health:
        why = "kesdeploy verify proves more: an object in, ciphertext on disk, and back"
        remarks += (Remark("changed", f"{service.where}: {service.name}", "its health check is not taken over", why),)
    if not service.component:
        remarks += (Remark("open", service.where, f"{service.name} is left out", "it is no KES, MinIO or Vault"),)
    found = [Found(settings, remarks=remarks)]
    if service.component:
        found.append(from_limits(service))
    if service.component == "minio":
        found.append(from_environment(service.environment, f"{service.where}: {service.name}"))
    return merged(found)


def _listens(service: Service) -> dict[int, str]:
    """Its ports inside, and where the section `network` has what they are published as."""
    if service.component != "minio":
        return _PORTS.get(service.component, {})
    s3 = service.option("--address") or service.environment.get("MINIO_ADDRESS", "")
    console = service.option("--console-address") or service.environment.get("MINIO_CONSOLE_ADDRESS", "")
    return {_port(s3, 9000): "s3_port", _port(console, 9001): "console_port"}


def _port(address: str, otherwise: int) -> int:
    port = address.rpartition(":")[2]
    return int(port) if port.isdecimal() else otherwise


def _drives(service: Service) -> list[str]:
    """The folders that MinIO is told to use, each by itself."""
    volumes = service.environment.get("MINIO_VOLUMES", "").strip("\"'").split()
    command = service.command
    told = command[command.index("server") + 1 :] if "server" in command else command
    named = [word for before, word in pairwise(("", *told)) if before not in _WITH_A_FOLDER]
    return [drive for word in (*named, *volumes) if word.startswith("/") for drive in _each(word)]


def _each(word: str) -> list[str]:
    several = _SEVERAL.search(word)
    if several is None:
        return [word]
    return [word.replace(several[0], str(number)) for number in range(1, int(several[1]) + 1)]


def _release(service: Service) -> tuple[dict[str, str], tuple[Remark, ...]]:
    """The release of KES that a file names: keys that a newer one made it could not read, so it stays if it can."""
    tag = service.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if service.component != "kes" or not re.match(r"v?0\.\d|\d{4}-\d{2}-\d{2}T", tag):
        return {}, ()
    place, newest = f"{service.where}: {service.name}", kes_versions.GENERATIONS[-1]
    try:
        made = kes_versions.generation(tag)
    except UsageError as error:
        why = f"{error.because}; the one that runs instead reads its keys, and there is no way back"
        return {}, (Remark("changed", place, f"KES {tag} is not taken over", why),)
    if made == newest:
        return {}, ()
    why = "it goes on: a newer one writes what this one cannot read. To move on: take images.kes out of the spec"
    return {"images.kes": f"quay.io/minio/kes:{tag}"}, (Remark("changed", place, f"KES {tag} is kept", why),)


def _proxy(service: Service) -> dict[str, str]:
    """The proxy that their KES goes through."""
    names = ("HTTPS_PROXY", "https_proxy") if service.component == "kes" else ()
    return next(({"kes.proxy": proxy} for name in names if (proxy := service.environment.get(name))), {})


def _overridden(service: Service) -> Iterator[Remark]:
    """Vault's own client, which is in KES, reads variables that stand over KES's configuration (api/client.go)."""
    for name in sorted(service.environment.keys() & _VAULT_OWN.keys()):
        yield Remark("changed", f"{service.where}: {service.name}", f"{name} is not taken over", _VAULT_OWN[name])


def _image(service: Service) -> Iterator[Remark]:
    if service.component in ("kes", "minio") and service.image:
        yield Remark(
            "changed",
            service.where,
            f"image {service.image}",
            "MinIO's images were withdrawn from the registries; kesdeploy knows where each can be had, and pins it",
        )


def _published(service: Service, address: str, here: int) -> Iterator[Remark]:
    if address in ("", "0.0.0.0"):
        yield Remark(
            "changed",
            service.where,
            f"port {here} is open to everybody",
            "kesdeploy publishes on 127.0.0.1; --bind says otherwise",
        )


def _kes(service: Service) -> Iterator[Remark]:
    place, command = f"{service.where}: {service.name}", service.command
    for position, word in enumerate(command):
        after = command[position + 1] if position + 1 < len(command) else ""
        if word == "--auth" and (after.startswith("-") or not after):
            yield Remark(
                "broken",
                place,
                f"a bare --auth swallows {after or 'what follows'}",
                "KES then looks for a configuration without a name: `Error: open : no such file or directory`",
            )
        elif word.startswith("--auth"):
            yield Remark(
                "broken",
                place,
                "--auth has no effect",
                "KES takes it and ignores it; it is `tls: auth:` in the configuration now",
            )
        elif word in _GONE:
            yield Remark(
                "broken", place, f"{word} is an unknown flag", f"it went with {_GONE[word]}, and KES does not start"
            )
    if "tool" in command[:2] and "identity" in command[:3]:
        yield Remark(
            "broken", place, "`kes tool identity` is gone", "it is `kes identity`; kesdeploy makes identities itself"
        )
    config = service.option("--config")
    if config and service.on_this_machine(config) is None:
        yield Remark(
            "broken", place, f"{config} is not mounted", f"mounted are: {', '.join(service.mounts) or 'no folders'}"
        )
    yield from _overridden(service)
    yield from _files(service, {"KES_CLIENT_KEY", "KES_CLIENT_CERT"})


def _minio(service: Service) -> Iterator[Remark]:
    place = f"{service.where}: {service.name}"
    volumes = service.environment.get("MINIO_VOLUMES", "").strip("\"'").split()
    for path in (word for word in (*service.command, *volumes) if word.startswith("http")):
        why = "kesdeploy runs one MinIO, with 1 to 16 drives (minio.drives)"
        yield Remark("changed", place, f"{path}: several machines", why)
    for drive in _drives(service) if service.mounts else ():
        source = service.on_this_machine(drive)
        if source is None:
            yield Remark("broken", place, f"{drive} is not mounted", "the objects are gone with the container")
        else:
            why = "kesdeploy's MinIO begins empty; docs/import.md says how to copy them over"
            yield Remark("changed", place, f"its objects stay in {source}", why)
    if service.command[:1] == ("gateway",) or service.command[1:2] == ("gateway",):
        yield Remark("broken", place, "`minio gateway` is gone since 2022", "")
    yield from _files(
        service, {"MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CAPATH", "MINIO_CONFIG_ENV_FILE"}
    )


def _files(service: Service, names: set[str]) -> Iterator[Remark]:
    """Variables that name files which no mount brings in."""
    for name in sorted(names & service.environment.keys()):
        path = service.environment[name]
        if path and not path.startswith("$") and service.on_this_machine(path) is None:
            yield Remark(
                "broken",
                f"{service.where}: {service.name}",
                f"{name}={path} is not mounted",
                f"mounted are: {', '.join(service.mounts) or 'no folders'}",
            )


def _vault(service: Service) -> Iterator[Remark]:
    place = f"{service.where}: {service.name}"
    if "-dev" in service.command or "--dev" in service.command or "VAULT_DEV_ROOT_TOKEN_ID" in service.environment:
        yield Remark(
            "broken",
            place,
            "Vault in development mode",
            "it forgets every key when it stops, and no object can be read again; kesdeploy runs one that keeps them",
        )


def undefined_variables(text: str, service: Service, where: str) -> tuple[Remark, ...]:
    """Variables of a KES configuration that its container does not have, with the one that may be meant."""
    found = []
    for name in dict.fromkeys(_VARIABLE.findall(text)):
        if name not in service.environment:
            others = [other for other in service.environment if "HASH" in other or "IDENTITY" in other]
            meant = f" (it has {', '.join(others)})" if others else ""
            found.append(
                Remark(
                    "broken",
                    where,
                    f"${{{name}}} is not set in the container {service.name}{meant}",
                    f"KES ends with `referenced env. variable '{name}' not found`",
                )
            )
    return tuple(found)


def resolved(base: Path, path: str) -> str:
    """A path of a compose file, as it is on this machine; a volume's name stays."""
    return str(base / Path(path).expanduser()) if path.startswith((".", "~", "/")) else path


_CHECKS = {"kes": _kes, "minio": _minio, "vault": _vault}

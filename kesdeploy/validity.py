"""Every certificate of a deployment: whose it is, who uses it, who trusts it, and until when it lasts. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kesdeploy import pki, services, topology
from kesdeploy.durations import WARN_DAYS
from kesdeploy.errors import CertificateError, Problem
from kesdeploy.keystores import Pick, Site
from kesdeploy.resources import Authority, BroughtIdentity, Certificate, Container, File, Identity, Resource, Secret
from kesdeploy.topology import leaves
from kesdeploy.topology.kes import certificates as by_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from kesdeploy.home import Home
    from kesdeploy.pki import CertificateInfo
    from kesdeploy.spec import Spec

OURSELVES, S3_CLIENTS, KES_CLIENTS = "kesdeploy", "S3 clients", "KES clients"
KES, MINIO = leaves.KES_PART, leaves.MINIO_PART


@dataclass(frozen=True)
class Held:
    """A certificate, by the file that it stands in.

    kind: `trusted` is a root that the user brought. source: where he keeps it; empty for what kesdeploy issues.
    """

    name: str
    kind: Literal["authority", "server", "identity", "trusted"]
    file: Path
    used_by: tuple[str, ...]
    trusted_by: tuple[str, ...]
    source: str = ""

    @property
    def yours(self) -> bool:
        return bool(self.source)

    def info(self) -> CertificateInfo:
        """CertificateError when it cannot be read."""
        return pki.describe(self.file.read_bytes())


def held(spec: Spec, home: Home) -> tuple[Held, ...]:
    """All that are there, the authority first. No engine is asked."""
    wanted = _resources(spec, home)
    found = [each for resource in wanted for each in _of(spec, home, wanted, resource)]
    return tuple(each for each in found if each.file.exists())


def _resources(spec: Spec, home: Home) -> tuple[Resource, ...]:
    """What the deployment consists of, whichever images it runs."""
    picks = dict.fromkeys(topology.components(spec), Pick("", ()))
    return topology.desired(spec, Site(str(home.root), "", picks))


def watched(spec: Spec, home: Home) -> tuple[Held, ...]:
    """Those without which something stands still: KES looks at the dates of a client where it wants a certificate."""
    kinds = ("authority", "server", *(("identity",) if by_certificate(spec) else ()))
    return tuple(each for each in held(spec, home) if each.kind in kinds)


def problems(spec: Spec, home: Home, now: datetime) -> tuple[Problem, ...]:
    """A warning for those that end within 30 days, and an error for those that have ended and are needed.

    One for each command that mends it, however many it mends.
    """
    needed = watched(spec, home)
    found = [_ending(each, now, spec.name, needed=each in needed) for each in held(spec, home)]
    authority = next((ending.until for ending in found if ending and ending.each.kind == "authority"), None)
    endings = [
        ending
        for ending in found
        if ending and (ending.each in needed or ending.each.yours) and not ending.follows(authority)
    ]
    groups: dict[tuple[str, str, bool], list[_Ending]] = {}
    for ending in endings:
        groups.setdefault((ending.code, ending.hint, bool(ending.fault)), []).append(ending)
    return tuple(Problem(code, _told(group), hint) for (code, hint, _), group in groups.items())


def expired(spec: Spec, home: Home, now: datetime) -> tuple[Problem, ...]:
    """Those that have ended, and without which something stands still."""
    return tuple(problem for problem in problems(spec, home, now) if problem.code == CertificateError.code)


def remedy(each: Held, days: int, deployment: str) -> str:
    """The one command for a certificate that has so many days left."""
    up = f"kesdeploy up -n {deployment}"
    if each.yours:
        return f"put the new one into {each.source}, then: {up}"
    soon = each.kind == "authority" and days >= 0
    return f"kesdeploy rotate-certs --ca -n {deployment}" if soon else up


@dataclass(frozen=True)
class _Ending:
    """One that ends soon, has ended, or is no good for another reason (`fault`)."""

    each: Held
    code: str
    hint: str
    days: int = -1
    until: datetime | None = None
    fault: str = ""

    def follows(self, authority: datetime | None) -> bool:
        """Whether it only ends because our authority does, soon: that is told, and what is to be done is another."""
        ours = self.each.kind != "authority" and not self.each.yours
        return ours and self.days >= 0 and authority is not None and self.until == authority


def _ending(each: Held, now: datetime, deployment: str, *, needed: bool) -> _Ending | None:
    try:
        info = each.info()
        several = len(pki.split(each.file.read_bytes())) > 1
    except CertificateError as error:
        return _Ending(each, error.code, remedy(each, -1, deployment), fault=error.what)
    if now < info.not_before:
        code = CertificateError.code if needed else "warning"
        early = f"not valid before {info.not_before:%Y-%m-%d %H:%M} UTC: is this machine's clock right?"
        return _Ending(each, code, remedy(each, -1, deployment), fault=early)
    days = info.days_left(now)
    # Of a bundle of roots, one that ends says nothing.
    if days >= WARN_DAYS or (each.kind == "trusted" and several):
        return None
    code = CertificateError.code if days < 0 and needed else "warning"
    return _Ending(each, code, remedy(each, days, deployment), days, info.not_after)


def _told(group: list[_Ending]) -> str:
    if group[0].fault:
        return "; ".join(f"{ending.each.file}: {ending.fault}" for ending in group)
    told = [f"expired on {e.until:%Y-%m-%d}" if e.days < 0 else f"has {e.days} days left" for e in group]
    if len(group) > 1:
        return "certificates: " + ", ".join(f"{e.each.name} {what}" for e, what in zip(group, told, strict=True))
    each = group[0].each
    whose = "your certificate for" if each.yours and each.kind == "server" else "the certificate of"
    return f"{whose} {each.name} {told[0]}"


# --- who is who


def _of(spec: Spec, home: Home, wanted: tuple[Resource, ...], resource: Resource) -> Iterator[Held]:
    body, name = resource.body, resource.name
    match body:
        case Authority():
            yield Held("ca", "authority", home.ca_cert, _signed(wanted), _trust_us(spec, wanted))
        case Identity() | BroughtIdentity():
            source = _source(wanted, body.certificate) if isinstance(body, BroughtIdentity) else ""
            where = (KES,) if not services.elsewhere(spec) else ("the KES of others",)
            user = MINIO if body.name == "minio" else OURSELVES
            yield Held(body.name, "identity", home.identity(body.name)[0], (user,), where, source)
        case Certificate():
            asks, brought = _clients(spec, wanted, name), body.brought
            source = _source(wanted, brought.certificate) if brought else ""
            yield Held(name, "server", home.path(f"{body.folder}/public.crt"), (name,), asks, source)
            if brought and brought.ca:
                root = home.secret(brought.ca)
                yield Held(f"{name}-ca", "trusted", root, (name,), asks, _source(wanted, brought.ca))
        case File():
            yield from _file(spec, home, wanted, resource.address, body)


def _file(spec: Spec, home: Home, wanted: tuple[Resource, ...], address: str, body: File) -> Iterator[Held]:
    """What the user brought as a file: the root of a keystore, or the certificate that KES shows to it."""
    ref, name = body.refs.get("text"), address.partition("/")[2]
    source = _source(wanted, ref.name) if ref and ref.kind == "secret" else ""
    if not source or b"-----BEGIN CERTIFICATE-----" not in (home.read(body.path) or b""):
        return
    path, keystore = home.path(body.path), f"the keystore {spec.kms}"
    readers = tuple(r.name for r in wanted if isinstance(r.body, Container) and address in r.body.uses)
    if name.endswith("-ca"):
        yield Held(name, "trusted", path, (keystore,), (*readers, OURSELVES), source)
    else:
        yield Held(name, "identity", path, readers, (keystore,), source)


def _source(wanted: tuple[Resource, ...], secret: str) -> str:
    """Where the user keeps what was copied as this secret."""
    body = next((r.body for r in wanted if r.address == f"secret/{secret}"), None)
    return body.source.removeprefix("@") if isinstance(body, Secret) else ""


def _ours(wanted: tuple[Resource, ...]) -> tuple[str, ...]:
    return tuple(r.name for r in wanted if isinstance(r.body, Certificate) and not r.body.brought)


def _signed(wanted: tuple[Resource, ...]) -> tuple[str, ...]:
    """What our authority vouches for."""
    identities = (r.body for r in wanted if isinstance(r.body, (Identity, BroughtIdentity)))
    made = tuple(i.name for i in identities if isinstance(i, Identity) or not i.certificate)
    return (*_ours(wanted), *made)


def _trust_us(spec: Spec, wanted: tuple[Resource, ...]) -> tuple[str, ...]:
    """Who trusts our authority: whoever asks a server that has a leaf of it, and KES where it looks at clients."""
    found = [client for server in _ours(wanted) for client in _clients(spec, wanted, server)]
    return tuple(dict.fromkeys((*found, *((KES,) if by_certificate(spec) else ()))))


def _clients(spec: Spec, wanted: tuple[Resource, ...], server: str) -> tuple[str, ...]:
    """Who asks a server, and looks at its certificate."""
    known: dict[str, Any] = {KES: (MINIO, OURSELVES, KES_CLIENTS), MINIO: (OURSELVES, S3_CLIENTS)}
    vault = (KES, OURSELVES) if any(r.address == f"container/{KES}" for r in wanted) else (OURSELVES,)
    found: tuple[str, ...] = known.get(server, vault)
    return found if server != MINIO or spec.https else ()

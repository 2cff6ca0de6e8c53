"""A Vault that somebody else runs: what a deployment needs to use it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kesdeploy.keystores.vault import names
from kesdeploy.keystores.vault.kes import ENVIRONMENT, context, inside
from kesdeploy.keystores.words import Contribution
from kesdeploy.resources import Bootstrap, File, Ref, Resource, Secret

if TYPE_CHECKING:
    from kesdeploy.keystores.vault.fields import VaultFields
    from kesdeploy.spec import Spec

BOOTSTRAP = "bootstrap/vault"


@dataclass(frozen=True)
class Copy:
    """Something of the user's that KES reads as a file: a mount of his folder would show KES what else is in it."""

    name: str
    source: str
    mode: int = 0o600

    @property
    def address(self) -> str:
        return f"file/{self.name.removesuffix('.crt')}"

    @property
    def resource(self) -> Resource:
        file = File(f"config/kes/{self.name}", "text.j2", {}, {"text": Ref("secret", self.name)}, mode=self.mode)
        # What was typed instead is in `secrets/` already.
        return Resource(self.address, file, (f"secret/{self.name}",) if self.source else ())


def contribute(spec: Spec) -> Contribution:
    fields = names.fields(spec)
    copies = _copies(fields)
    secrets = _secrets(fields, copies)
    ca = inside(names.CA) if fields.ca else ""
    return Contribution(
        resources=(*secrets, _bootstrap(spec, secrets), *(copy.resource for copy in copies)),
        context=context(spec, fields.address or "", version=fields.version or "", ca=ca),
        refs=_refs(fields),
        uses=tuple(copy.address for copy in copies),
        needs=(BOOTSTRAP, *(secret.address for secret in secrets)),
        environment=ENVIRONMENT,
    )


def _copies(fields: VaultFields) -> tuple[Copy, ...]:
    found = [Copy(names.CA, f"@{fields.ca}", 0o644)] if fields.ca else []
    if fields.tls:
        found += [Copy(names.TLS_CERT, f"@{fields.tls.cert}", 0o644), Copy(names.TLS_KEY, fields.tls.key)]
    if fields.kubernetes:
        found.append(Copy(names.JWT, fields.kubernetes.jwt or ""))
    return tuple(found)


def _secrets(fields: VaultFields, copies: tuple[Copy, ...]) -> tuple[Resource, ...]:
    """What the user keeps elsewhere. A login that was typed, or is made by the bootstrap, is no resource."""
    given = {copy.name: copy.source for copy in copies}
    if not fields.kubernetes:
        given |= {names.ROLE_ID: fields.approle.id or "", names.SECRET_ID: fields.approle.secret or ""}
    return tuple(Resource(f"secret/{name}", Secret(name, "given", source)) for name, source in given.items() if source)


def _refs(fields: VaultFields) -> dict[str, Ref]:
    found = {} if fields.version else {"version": Ref("secret", names.KV_VERSION)}
    if not fields.kubernetes:
        found |= {"approle.id": Ref("secret", names.ROLE_ID), "approle.secret": Ref("secret", names.SECRET_ID)}
    return found


def _bootstrap(spec: Spec, resources: tuple[Resource, ...]) -> Resource:
    fields = names.fields(spec)
    settings = {"address": fields.address, "engine": fields.engine, "prefix": names.prefix(spec)}
    return Resource(BOOTSTRAP, Bootstrap("vault", settings), tuple(resource.address for resource in resources))

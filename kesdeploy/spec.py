"""The Spec: what the user wants, frozen and complete.

Loading is pure: text and overrides in, a Spec or every problem at once out. A secret never stands in a spec, only where
it is to be read from (`@FILE` or `env:NAME`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from kesdeploy import minio_rules, variables
from kesdeploy.errors import Problem, SpecError
from kesdeploy.kes_section import Kes, complaints, default_key
from kesdeploy.limits_section import Limits
from kesdeploy.names import host_name, root_user
from kesdeploy.objections import SECRET, did_you_mean, objections, quoted
from kesdeploy.references import reference
from kesdeploy.section import Duration, Section
from kesdeploy.server_certificate import ServerCertificate
from kesdeploy.sources import SecretSource
from kesdeploy.yamltext import parse, write

__all__ = ["Duration", "Kes", "Section"]

VERSION = 1
DEFAULT_KEY = "minio-backend-default-key"


class KeystoreFields(Section):
    """What a keystore module asks of the user. `kind` is its name after `--kms`."""

    kind: ClassVar[str]

    @property
    def beyond(self) -> bool:
        """Whether a KES of ours leaves its pod to reach it."""
        return True

    def complaints(self, spec: Spec) -> tuple[Problem, ...]:  # noqa: ARG002
        """What this KMS has against the rest of the spec, as key names. Each begins with its path."""
        return ()


def deployment_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", value):
        raise ValueError("a name starts with a lower-case letter, then up to 39 of a-z, 0-9 and '-'")
    return value


def key_name(value: str) -> str:
    # KES's own rule (auth.go), and MinIO blanks every value that begins with `env`.
    if not re.fullmatch(r"(?!-)[0-9A-Za-z_-]{1,80}(?<!-)", value) or not value.strip("_"):
        raise ValueError("a key name is 1 to 80 of A-Z, a-z, 0-9, '-' and '_', with no '-' at either end")
    if value.startswith("env"):
        raise ValueError("MinIO blanks every value that begins with 'env'; choose another name")
    return value


def bucket_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", value) or ".." in value:
        raise ValueError("a bucket name is 3 to 63 of a-z, 0-9, '.' and '-', with a letter or digit at both ends")
    return value


def _address(value: str) -> str:
    address = ipaddress.ip_address(value)
    if address.version == 6:  # noqa: PLR2004
        # Podman publishes it without a complaint, and nobody is ever answered there.
        instead = "127.0.0.1 (this machine)" if address.is_loopback else "0.0.0.0 (every IPv4 address)"
        raise ValueError(f"containers have no IPv6 in the engine's default network; write {instead}")
    return str(address)


DeploymentName = Annotated[str, AfterValidator(deployment_name)]
KeyName = Annotated[str, AfterValidator(key_name)]
BucketName = Annotated[str, AfterValidator(bucket_name)]
Address = Annotated[str, AfterValidator(_address)]
RootUser = Annotated[str, AfterValidator(root_user)]
Environment = Annotated[
    dict[str, str],
    BeforeValidator(minio_rules.as_text),
    AfterValidator(minio_rules.environment),
    Field(json_schema_extra=SECRET),
]
HostName = Annotated[str, AfterValidator(host_name)]
ImageReference = Annotated[str, AfterValidator(reference)]
PortNumber = Annotated[int, Field(ge=1, le=65535, strict=True)]
# `--set restart=no` is read as YAML 1.1 reads it.
Restart = Annotated[
    Literal["unless-stopped", "always", "on-failure", "no"],
    BeforeValidator(lambda value: "no" if value is False else value),
]
RESTART: Restart = "unless-stopped"


class Network(Section):
    bind: Address = "127.0.0.1"
    """IPv4 address the ports are published on. Anything but loopback turns HTTPS on for S3."""
    s3_port: PortNumber = 9000
    console_port: PortNumber = 9001
    kes_port: PortNumber = 7373
    vault_port: PortNumber = 8200
    extra_names: tuple[HostName, ...] = ()
    """Further host names and addresses that the certificates should be valid for."""

    @model_validator(mode="after")
    def _no_clash(self) -> Network:
        seen: dict[int, str] = {}
        for name in ("s3_port", "console_port", "kes_port", "vault_port"):
            port = getattr(self, name)
            if port in seen:
                raise ValueError(f"{name} and {seen[port]} are both {port}")
            seen[port] = name
        return self

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.bind).is_loopback


class Images(Section):
    source: Literal["release", "auto", "sandbox"] = "release"
    """release: the published images. auto: the sandbox where those cannot be had. sandbox: stand-ins, to try things."""
    pull: Literal["missing", "never", "always"] = "missing"
    kes: ImageReference | None = None
    minio: ImageReference | None = None
    mc: ImageReference | None = None
    vault: ImageReference | None = None


class Bucket(Section):
    """A bucket to create, with an encryption rule of its own."""

    name: BucketName
    key: KeyName | None = None
    """The key that encrypts it; the default key when left out."""
    mode: Literal["sse-kms", "sse-s3"] = "sse-kms"


class Minio(Section):
    root_user: RootUser | None = None
    """Generated when left out. Never `minioadmin`."""
    root_password: SecretSource | None = None
    """Generated when left out: 32 letters and digits."""
    https: bool | None = None
    """HTTPS for S3. Left out: off on loopback without a certificate of your own, on otherwise."""
    certificate: ServerCertificate | None = None
    """Your own certificate for S3 and the console. Left out: one of the deployment's CA."""
    auto_encryption: bool = True
    """Encrypt objects of buckets that have no rule of their own."""
    drives: int = Field(default=1, ge=1, le=16)
    buckets: tuple[Bucket, ...] = ()
    environment: Environment = Field(default_factory=dict)
    """Further variables of MinIO's. A secret among them is `@FILE` or `env:NAME`."""


class Spec(Section):
    """A deployment, as the user wants it."""

    version: Literal[1] = 1
    name: DeploymentName
    engine: Literal["auto", "podman", "docker"] = "auto"
    """Chosen once, at the first `up`, and remembered."""
    keystore: SerializeAsAny[KeystoreFields]
    restart: Restart = RESTART
    """What the engine does with a container that ended by itself. After a reboot see `kesdeploy autostart`."""
    key_name: KeyName = DEFAULT_KEY
    """The default key: what encrypts everything that names no other key."""
    network: Network = Network()
    images: Images = Images()
    minio: Minio = Minio()
    kes: Kes = Kes()
    limits: Limits = Limits()
    """What the containers may use of this machine."""

    @model_validator(mode="before")
    @classmethod
    def _key_of_the_prefix(cls, given: Any) -> Any:
        kes = given.get("kes") if isinstance(given, dict) else None
        prefix = kes.get("key_prefix") if isinstance(kes, dict) else None
        return {"key_name": default_key(prefix), **given} if prefix else given

    @model_validator(mode="after")
    def _consistent(self) -> Spec:
        if self.minio.https is False and not self.network.loopback:
            raise ValueError(f"minio.https cannot be off while network.bind is {self.network.bind}")
        if self.minio.https is False and self.minio.certificate:
            raise ValueError("minio.https cannot be off while there is a minio.certificate")
        names = [bucket.name for bucket in self.minio.buckets]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"minio.buckets: named twice: {', '.join(twice)}")
        return self

    @property
    def https(self) -> bool:
        """Whether S3 is served over HTTPS."""
        if self.minio.https is None:
            return not self.network.loopback or self.minio.certificate is not None
        return self.minio.https

    @property
    def kms(self) -> str:
        return self.keystore.kind

    @property
    def key_names(self) -> tuple[tuple[str, str], ...]:
        """Every key that it names: path and name."""
        buckets = enumerate(self.minio.buckets)
        return (
            ("key_name", self.key_name),
            *((f"minio.buckets.{place}.key", bucket.key) for place, bucket in buckets if bucket.key),
        )

    def document(self) -> dict[str, Any]:
        """This spec as it is written: what differs from the defaults, and what says what it is."""
        body = self.model_dump(mode="json", exclude_unset=True, exclude={"version", "name", "keystore"})
        keystore = {self.kms: self.keystore.model_dump(mode="json", exclude_unset=True, exclude_none=True)}
        return {"version": VERSION, "name": self.name, "keystore": keystore, **body}

    def text(self) -> str:
        """The spec file: YAML, without comments or secrets."""
        return write(self.document())


M = TypeVar("M", bound=BaseModel)
Kinds = Mapping[str, type[KeystoreFields]]


def load(text: str, overrides: Mapping[str, Any], kinds: Kinds, *, where: str = "kesdeploy.yaml") -> Spec:
    """The Spec of a YAML text, with `overrides` (dotted path -> value) laid over it.

    Raises SpecError with every problem at once, each with its path.
    """
    return load_tree(parse(text, where=where), overrides, kinds, where=where)


def load_tree(tree: dict[str, Any], overrides: Mapping[str, Any], kinds: Kinds, *, where: str) -> Spec:
    """The Spec of a mapping that is parsed already; the mapping is changed."""
    for path, value in overrides.items():
        _put(tree, path, value, where=where)
    problems: list[Problem] = []
    keystore = _keystore(tree.get("keystore"), kinds, problems)
    # A stand-in keeps the other problems visible while the keystore has its own.
    candidate = {**tree, "keystore": keystore or KeystoreFields()}
    spec = _validated(Spec, candidate, "", problems)
    if spec:
        problems.extend(complaints(spec.kes, spec.key_names))
    if spec and keystore:
        problems.extend(keystore.complaints(spec))
        if spec.kes.proxy and not keystore.beyond:
            problems.append(Problem("spec", f"kes.proxy: no KES of ours reaches {keystore.kind!r} through a network"))
    problems.extend(variables.unreplaced(tree, problems))
    if problems or spec is None:
        raise SpecError(f"{where} has {_count(problems)}", found=tuple(problems), hint=_next_step(where))
    return spec


def _put(tree: dict[str, Any], path: str, value: object, *, where: str) -> None:
    *parents, last = path.split(".")
    for part in parents:
        below = tree.setdefault(part, {})
        if below is None:
            below = tree[part] = {}
        if not isinstance(below, dict):
            raise SpecError(f"{where}: cannot set {path}", found=(Problem("spec", f"{path}: {part} is not a mapping"),))
        tree = below
    tree[last] = value


def _keystore(given: object, kinds: Kinds, problems: list[Problem]) -> KeystoreFields | None:
    known = ", ".join(sorted(kinds))
    if given is None:
        problems.append(Problem("spec", "keystore: required", f"--kms KIND, one of {known}"))
    elif not isinstance(given, dict) or len(given) != 1:
        problems.append(Problem("spec", "keystore: exactly one keystore is needed, as in `keystore: {fs: {}}`"))
    else:
        kind, fields = next(iter(given.items()))
        if kind in kinds:
            return _validated(kinds[kind], {} if fields is None else fields, f"keystore.{kind}", problems)
        problems.append(
            Problem("spec", f"keystore.{quoted(kind)}: unknown keystore{did_you_mean(kind, kinds)}", f"known: {known}")
        )
    return None


def _validated(model: type[M], value: object, prefix: str, problems: list[Problem]) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems.extend(Problem("spec", what) for what in objections(error, model, prefix))
        return None


def _count(problems: list[Problem]) -> str:
    return "a problem" if len(problems) == 1 else f"{len(problems)} problems"


def _next_step(where: str) -> str:
    return f"correct {where} (`kesdeploy schema` describes every key)"

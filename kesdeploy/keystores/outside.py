"""A KMS that others run: what all of those have in common.

Its credentials are copied into `secrets/`, its CA beside KES's configuration; nothing of it is started or set up here.
A module says what it is called, what it asks, what its template is given, and how its credentials are proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.errors import CertificateError, ServiceError, UsageError
from kesdeploy.keystores.words import Contribution, Question
from kesdeploy.report import Silent
from kesdeploy.resources import File, Ref, Resource, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.home import Home
    from kesdeploy.keystores.words import Elsewhere, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec

DENIED = (401, 403)


@dataclass(frozen=True)
class Credential:
    """A secret that KES logs in with.

    path: its key below `keystore.KIND` in the spec, and below `keystore` in the template.
    environment: variables whose value the wizard proposes.
    """

    path: str
    prompt: str
    explain: str
    environment: tuple[str, ...] = ()


class Outside:
    """The part of `Keystore` that is the same for every KMS that others run."""

    kind: ClassVar[str]
    kes_paths: ClassVar[Mapping[str, str]] = {}
    ca_variables: ClassVar[tuple[str, ...]] = ()
    """What names the CA's file to KES where its configuration cannot. Read once: a new CA then restarts it."""

    def credentials(self, fields: KeystoreFields) -> tuple[Credential, ...]:
        """The secrets that are needed with these fields, which may be incomplete."""
        raise NotImplementedError

    def context(self, spec: Spec) -> Mapping[str, Any]:
        """For the template `kes/keystore-KIND.yaml.j2`; credentials and `ca` (a path, or empty) are added to it."""
        raise NotImplementedError

    def prove(self, work: Work) -> None:
        """Reach it and use the credentials, changing nothing.

        Raises ServiceError: status 0 when nobody answers, 401 or 403 when the credentials are refused.
        """
        raise NotImplementedError

    def environment(self, spec: Spec) -> Mapping[str, str]:  # noqa: ARG002
        """What KES's container needs besides; never a secret."""
        return {}

    # --- the rest is the same for all

    def components(self, spec: Spec) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def elsewhere(self, spec: Spec) -> Elsewhere | None:  # noqa: ARG002
        return None

    def shared(self, fields: KeystoreFields) -> bool:  # noqa: ARG002
        return True

    def spelt_out(self, spec: Spec) -> KeystoreFields:
        return spec.keystore

    def contribute(self, spec: Spec, site: Site) -> Contribution:  # noqa: ARG002
        credentials = self.credentials(spec.keystore)
        secrets = [
            Resource(f"secret/{self.store(c.path)}", Secret(self.store(c.path), "given", source))
            for c in credentials
            if (source := at(spec.keystore, c.path))
        ]
        authority = self._authority(getattr(spec.keystore, "ca", None))
        ca, uses = f"/config/{self.kind}-ca.crt" if authority else "", tuple(r.address for r in authority[1:])
        return Contribution(
            resources=(*secrets, *authority),
            context={"ca": ca, **_with_room(self.context(spec), credentials)},
            refs={c.path: Ref("secret", self.store(c.path)) for c in credentials},
            uses=uses,
            restarts=uses if self.ca_variables else (),
            needs=tuple(secret.address for secret in secrets),
            environment={**self.environment(spec), **(dict.fromkeys(self.ca_variables, ca) if ca else {})},
        )

    def asked(self, fields: KeystoreFields) -> tuple[Question, ...]:
        """A question for each credential that the spec does not name."""
        return tuple(
            Question(
                f"keystore.{self.kind}.{c.path}",
                c.prompt,
                c.explain,
                secret=True,
                store=self.store(c.path),
                environment=c.environment,
            )
            for c in self.credentials(fields)
            if not at(fields, c.path)
        )

    def preflight(self, work: Work) -> None:
        self.prove(work)

    def unsettled(self, work: Work) -> str | None:  # noqa: ARG002
        return None

    def bootstrap(self, work: Work) -> None:
        """There is nothing of ours to set up."""

    def renews(self, spec: Spec) -> bool:  # noqa: ARG002
        return False

    def renew(self, work: Work) -> None:
        paths = ", ".join(f"keystore.{self.kind}.{c.path}" for c in self.credentials(work.spec.keystore))
        raise UsageError(
            "the login to your KMS is yours to renew",
            because=f"kesdeploy only reads it: {paths}" if paths else "kesdeploy does not even see it",
            hint=f"put the new one where the spec says, then: kesdeploy up -n {work.spec.name}",
        )

    def renewed(self, work: Work) -> bool:  # noqa: ARG002
        return False

    def retire(self, work: Work) -> str:  # noqa: ARG002
        return ""

    def lacks(self, work: Work) -> str:  # noqa: ARG002
        """Nothing of it lies here."""
        return ""

    def instance(self, work: Work) -> str:  # noqa: ARG002
        return ""

    def restore(self, spec: Spec, key: str) -> str:  # noqa: ARG002
        return f"whoever runs it has to bring the key {key!r} back, as it was"

    def state(self, work: Work) -> str:
        """One of ok, UNREACHABLE, DENIED, WRONG."""
        try:
            self.prove(replace(work, report=Silent(), timeout=min(work.timeout, 10)))
        except UsageError:
            # What the spec points at is not usable any more; KES may still work with what was kept.
            return "WRONG"
        except CertificateError:
            return "UNREACHABLE"
        except ServiceError as error:
            return "DENIED" if error.status in DENIED else "WRONG" if error.status else "UNREACHABLE"
        return "ok"

    def store(self, path: str) -> str:
        """The name in `secrets/` of the credential at this path."""
        return f"{self.kind}-{path.replace('.', '-')}"

    def secret(self, work: Work, path: str) -> str:
        """The credential at this path: where the spec says it is, else as it was stored."""
        return secret(work.home, self.store(path), at(work.spec.keystore, path))

    def _authority(self, path: str | None) -> tuple[Resource, ...]:
        """The CA's file, copied: a mount of the user's folder would show KES what else is in it."""
        if not path:
            return ()
        name = f"{self.kind}-ca.crt"
        copy = Resource(f"secret/{name}", Secret(name, "given", f"@{path}"))
        file = File(f"config/kes/{name}", "text.j2", {}, {"text": Ref("secret", name)}, mode=0o644)
        return (copy, Resource(f"file/{self.kind}-ca", file, (copy.address,)))


def secret(home: Home, name: str, source: str | None) -> str:
    """A secret that the user brought: where the spec says it is, or as it was kept once that place is gone.

    UsageError when it is in neither.
    """
    from kesdeploy import given

    kept = home.read_secret(name)
    try:
        value = given.read(name, source) if source else kept
    except UsageError:
        if not kept:
            raise
        value = kept
    if not value:
        raise UsageError(f"{name} is not known yet", hint="kesdeploy up asks for it, on a terminal")
    return value


def at(fields: object, path: str) -> Any:
    """The value at a dotted path of fields, which may be incomplete: then parts of them are plain mappings."""
    for part in path.split("."):
        fields = fields.get(part) if isinstance(fields, dict) else getattr(fields, part, None)
    return fields


def _with_room(context: Mapping[str, Any], credentials: tuple[Credential, ...]) -> dict[str, Any]:
    """The context with a mapping wherever a credential will be filled in below one."""
    found = dict(context)
    for credential in credentials:
        *parents, _ = credential.path.split(".")
        below = found
        for part in parents:
            below[part] = dict(below.get(part) or {})
            below = below[part]
    return found

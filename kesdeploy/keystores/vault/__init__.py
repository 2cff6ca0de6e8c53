"""OpenBao or HashiCorp Vault: run by kesdeploy, or somebody else's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.errors import CertificateError, ServiceError
from kesdeploy.keystores.vault import door, external, managed, names, opening, ours, preflight, setup, theirs
from kesdeploy.keystores.vault.fields import AppRole, VaultFields
from kesdeploy.keystores.vault.kes import KES_PATHS
from kesdeploy.keystores.vault.policy import kes_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kesdeploy.keystores.words import Contribution, Question, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec


class Vault:
    kind: ClassVar[str] = "vault"
    title: ClassVar[str] = "OpenBao or HashiCorp Vault"
    summary: ClassVar[str] = "kesdeploy runs an OpenBao for you, or uses the Vault that you have"
    fields: ClassVar[type[KeystoreFields]] = VaultFields
    kes_paths: ClassVar[Mapping[str, str]] = KES_PATHS

    def components(self, spec: Spec) -> tuple[str, ...]:
        fields = names.fields(spec)
        return (fields.product,) if fields.managed else ()

    def shared(self, fields: KeystoreFields) -> bool:
        return bool(getattr(fields, "address", None))

    def elsewhere(self, spec: Spec) -> None:
        """KES runs here."""

    def policy(self, spec: Spec) -> str:
        return kes_policy(spec, names.fields(spec).version or "v2")

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        return managed.contribute(spec, site) if names.fields(spec).managed else external.contribute(spec)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        if not getattr(fields, "address", None):
            return (external.WHOSE,)
        return external.questions(_approle(getattr(fields, "approle", None)), os.environ)

    def preflight(self, work: Work) -> None:
        """Ask a Vault of the user's for all that KES will need of it; one of ours does not exist yet."""
        if names.fields(work.spec).managed:
            opening.same_kind(work)
        else:
            preflight.preflight(work)

    def unsettled(self, work: Work) -> str | None:
        return ours.unsettled(work) if names.fields(work.spec).managed else theirs.unsettled(work)

    def bootstrap(self, work: Work) -> None:
        """Raises StartOver when a Vault of ours has to be made again, DataProtected when that would lose data."""
        if names.fields(work.spec).managed:
            setup.bootstrap(work)
        else:
            theirs.bootstrap(work)

    def state(self, work: Work) -> str:
        """One of ok, SEALED, UNINITIALISED, UNREACHABLE, DENIED."""
        try:
            seen = door.seen(work)
            login = door.stored(work)
            if not seen.initialized:
                return "UNINITIALISED"
            if seen.sealed:
                return "SEALED"
            return "ok" if login and door.admits(work, login) else "DENIED"
        except (CertificateError, ServiceError):
            return "UNREACHABLE"


def _approle(given: Any) -> AppRole:
    """While a spec is incomplete its sections may still be plain data."""
    if isinstance(given, AppRole):
        return given
    known = given if isinstance(given, dict) else {}
    return AppRole.model_construct(id=known.get("id"), secret=known.get("secret"))

"""OpenBao or HashiCorp Vault: run by kesdeploy, or somebody else's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from kesdeploy.keystores.vault import external, managed, names
from kesdeploy.keystores.vault.fields import AppRole, VaultFields

if TYPE_CHECKING:
    from kesdeploy.keystores.words import Contribution, Question, Site, Work
    from kesdeploy.spec import KeystoreFields, Spec


class Vault:
    kind: ClassVar[str] = "vault"
    title: ClassVar[str] = "OpenBao or HashiCorp Vault"
    summary: ClassVar[str] = "kesdeploy runs an OpenBao for you, or uses the Vault that you have"
    fields: ClassVar[type[KeystoreFields]] = VaultFields

    def components(self, spec: Spec) -> tuple[str, ...]:
        fields = names.fields(spec)
        return (fields.product,) if fields.managed else ()

    def contribute(self, spec: Spec, site: Site) -> Contribution:
        return managed.contribute(spec, site) if names.fields(spec).managed else external.contribute(spec)

    def questions(self, fields: KeystoreFields) -> tuple[Question, ...]:
        if not getattr(fields, "address", None):
            return ()
        return external.questions(_approle(getattr(fields, "approle", None)), os.environ)

    def preflight(self, work: Work) -> None:
        """Only a Vault of the user's can be asked before anything is started."""

    def unsettled(self, work: Work) -> str | None:
        raise NotImplementedError

    def bootstrap(self, work: Work) -> None:
        raise NotImplementedError

    def state(self, work: Work) -> str:
        raise NotImplementedError


def _approle(given: Any) -> AppRole:
    """While a spec is incomplete its sections may still be plain data."""
    if isinstance(given, AppRole):
        return given
    known = given if isinstance(given, dict) else {}
    return AppRole.model_construct(id=known.get("id"), secret=known.get("secret"))
